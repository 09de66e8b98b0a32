#!/usr/bin/env bash
# Stands before the compiler (RUSTC_WRAPPER) while targets are built, and takes the flags of coverage away from crates
# that read no input: runtimes, collections, TLS. What is left guides the engine by our code and by the parsers that it
# leans on. The engine looks at every counter after every execution, so this is most of the speed of the doors.
set -euo pipefail
compiler=$1
shift
name=
is_foreign=no
previous=
for argument in "$@"; do
    case "$previous" in
    --crate-name) name=$argument ;;
    --cap-lints) is_foreign=yes ;;
    esac
    previous=$argument
done
case "$name" in
base64 | form_urlencoded | http | httparse | matchit | percent_encoding | prost | serde_json | serde_spanned | \
    serde_urlencoded | toml | toml_datetime | toml_parser | tonic | winnow) is_foreign=no ;;
esac
if [ "$is_foreign" = no ]; then
    exec "$compiler" "$@"
fi
kept=()
for argument in "$@"; do
    case "$argument" in
    -Cpasses=sancov-module | -Cllvm-args=-sanitizer-coverage-*) ;;
    *) kept+=("$argument") ;;
    esac
done
exec "$compiler" "${kept[@]}"
