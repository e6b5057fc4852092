#!/bin/bash
#PJM -L rscgrp=cx-small
#PJM -L node=2
#PJM --mpi proc=8
#PJM -L elapse=0:10:00
#PJM -j
#PJM -S
set -e
module load gcc/11.3.0 cuda/12.4.1 openmpi_cuda/4.0.5
eval "$(~/miniconda3/bin/conda shell.bash hook)"
conda activate furo
export PYTHONUNBUFFERED=1
cd "$(dirname "$0")/.."

# The first node's address and a port of this job's own, for torch.distributed.
export MASTER_ADDR=$(head -n 1 "$PJM_O_NODEINF")
export MASTER_PORT=$((50000 + PJM_JOBID % 10000))
export GLOO_SOCKET_IFNAME=ib0 NCCL_SOCKET_IFNAME=ib0
export OMPI_MCA_plm_rsh_agent=$(command -v pjrsh)
export OMPI_MCA_btl_tcp_if_include=ib0
# Eight processes share the cores of two nodes.
export OMP_NUM_THREADS=1

mpirun -np "$PJM_MPI_PROC" -npernode 4 -machinefile "$PJM_O_NODEINF" \
  -x PATH -x PYTHONUNBUFFERED -x OMP_NUM_THREADS -x GLOO_SOCKET_IFNAME -x NCCL_SOCKET_IFNAME \
  -x MASTER_ADDR -x MASTER_PORT -mca pml ob1 -mca btl ^openib \
  python scripts/answer.py --model HuggingFaceTB/SmolLM2-135M-Instruct --input data/questions.jsonl --output output/two_nodes
