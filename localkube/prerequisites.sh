#!/bin/sh
# What `make setup` needs before there is a Python environment: prerequisites.sh PYTHON. As root on Debian what is
# missing is installed; elsewhere it is named, and nothing is changed.
set -eu
python=$1

has_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }
has_compiler() { command -v cc >/dev/null || command -v gcc >/dev/null; }
has_headers() {
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}
has_pcre2() { "$python" -c 'import ctypes.util, sys; sys.exit(not ctypes.util.find_library("pcre2-8"))'; }

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && [ "$python" = python3 ]; }

missing=
need() { # PACKAGE CHECK: what Debian calls it, and how it is seen to be there
    "$2" || missing="$missing $1"
}

if ! command -v "$python" >/dev/null && ! may_install; then
    echo "setup: there is no $python: Python 3.11 or newer is needed" >&2
    exit 1
fi
need python3-venv has_venv
need gcc has_compiler
need python3-dev has_headers
may_install && need libpcre2-8-0 has_pcre2 # elsewhere the first pattern that is compiled tells

if [ -n "$missing" ] && may_install; then
    echo "setup: installing Debian packages:$missing"
    apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 $missing libc6-dev >/dev/null
    missing=
    need python3-venv has_venv
    need gcc has_compiler
    need python3-dev has_headers
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "setup: Python 3.11 or newer is needed: make PYTHON=python3.12" >&2
    exit 1
fi
if [ -n "$missing" ]; then
    echo "setup: missing, by their names on Debian:$missing" >&2
    exit 1
fi
