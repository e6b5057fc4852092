#!/bin/bash
#PJM -L rscgrp=cx-share
#PJM -L gpu=1
#PJM -L elapse=0:10:00
#PJM -j
#PJM -S
set -e
module load gcc/11.3.0 cuda/12.4.1 openmpi_cuda/4.0.5
eval "$(~/miniconda3/bin/conda shell.bash hook)"
conda activate furo
export PYTHONUNBUFFERED=1
cd "$(dirname "$0")/.."

python scripts/answer.py --model HuggingFaceTB/SmolLM2-135M-Instruct --input data/questions.jsonl --output output/one_gpu
