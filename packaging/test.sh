#!/usr/bin/env bash
# Sets up and runs the tests: ./packaging/test.sh [arguments to pytest]
#
# The tests train small networks, so this installs torch too (a large download). `-m slow` runs the long ones.
set -euo pipefail
# shellcheck source=packaging/setup.sh
source "$(dirname -- "${BASH_SOURCE[0]}")/setup.sh"

setup base dev train oracles
keep_bytecode
cd -- "$ROOT"
exec "$VENV/bin/python" -m pytest "$@"
