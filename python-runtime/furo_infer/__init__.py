"""furo_infer: batch inference of Hugging Face language models on the GPUs that a batch job was given."""

__version__ = "0.1.0"

__all__ = ["__version__"]
