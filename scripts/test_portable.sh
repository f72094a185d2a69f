#!/bin/sh
# The tests that touch a model or fit a probe, once for each kind of processor they must hold on:
# torch without its AVX2 and AVX-512 code, oneDNN, MKL and OpenBLAS (NumPy, SciPy) without AVX-512,
# with one and with two threads, and as if the processor had bfloat16.
# Usage: test_portable.sh PYTHON [further words for pytest]
set -u
python=$1
shift

tests="tests/backbones tests/cli tests/evaluation tests/pipeline tests/probe tests/reproduce \
tests/scorer tests/training tests/zero_label tests/test_benchmarks.py tests/test_demo.py \
tests/test_example.py tests/test_saliency.py tests/test_separation.py"
failed=""

run() {
    name="$1 code, $2 threads"
    echo "== $name $3"
    ATEN_CPU_CAPABILITY=$1 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 \
        OPENBLAS_CORETYPE=Haswell OMP_NUM_THREADS=$2 OPENBLAS_NUM_THREADS=$2 \
        "$python" -m pytest -p no:cacheprovider $tests $3 $more || failed="$failed
  $name $3"
}

more="$*"
for capability in default avx2; do
    for threads in 1 2; do
        run $capability $threads ""
    done
done
run avx2 1 --as-if-bfloat16

if [ -n "$failed" ]; then
    echo "failed under:$failed"
    exit 1
fi
