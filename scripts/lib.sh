# Shared by the scripts; sourced, never run. Leaves the working directory at the project's top.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TORCH_CPU_INDEX=https://download.pytorch.org/whl/cpu

say() { printf '%s\n' "$*" >&2; }

# The first Python of at least 3.11 that really runs. $PYTHON goes first.
find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11 python3.14; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed; install it or set PYTHON to one"
    exit 1
}

# install_extras build,dev: .venv with the project and these extras. Nothing is done if it is there already.
install_extras() {
    local extras=$1 wanted torch
    wanted="$extras $(cksum <pyproject.toml)"
    if [ -x .venv/bin/python ] && grep -qxF "$wanted" .venv/installed 2>/dev/null; then
        return
    fi
    if [ ! -x .venv/bin/python ]; then
        say "creating .venv"
        "$(find_python)" -m venv .venv
    fi
    if [[ ,$extras, == *,build,* ]]; then
        torch=$(grep -o 'torch==[0-9.]*' pyproject.toml)
        # The default index would bring CUDA, several gigabytes of it; a CPU is all that embedding needs.
        if ! .venv/bin/python -c "from importlib.metadata import version as v; assert v('torch').startswith('${torch#*==}')" 2>/dev/null; then
            say "installing $torch for the CPU"
            .venv/bin/pip install --quiet --no-deps --index-url "$TORCH_CPU_INDEX" --timeout 5 --retries 0 "$torch" 2>/dev/null ||
                .venv/bin/pip install --quiet --no-deps "$torch"
        fi
    fi
    say "installing the project with [$extras]"
    .venv/bin/pip install --quiet --editable ".[$extras]"
    # What the larger set holds, the smaller one does.
    printf '%s\n' "$wanted" >.venv/installed
    if [ "$extras" = build,dev ]; then printf '%s\n' "build ${wanted#* }" "build,slack ${wanted#* }" >>.venv/installed; fi
}

# system_packages: what the tests need beyond Python. Installed if this is root, else named.
system_packages() {
    local missing=()
    [ -n "$(command -v chromium || command -v chromium-browser || command -v google-chrome)" ] || missing+=(chromium)
    [ -n "$(PATH="$PATH:/usr/sbin" command -v nginx)" ] || missing+=(nginx)
    [ -n "$(command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb')" ] || missing+=(postgresql)
    [ -n "$(command -v redis-server)" ] || missing+=(redis-server)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" = 0 ] && [ -n "$(command -v apt-get)" ]; then
        say "installing ${missing[*]}"
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        say "the tests that need them are skipped; to run them: sudo apt-get install ${missing[*]}"
    fi
}
