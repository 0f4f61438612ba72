#!/bin/sh
# man_page.sh PROGRAM PAGE: the man page of one of our programs, from its --help.
set -eu

name=$(basename "$1")
help=--help
if [ "$name" = unreel ]; then
    help='help all'
    summary='turns videos into MP3 files'
else
    # "unreel-auth: accounts, logins and tokens of Unreel"
    summary=$("$1" --help | sed -n "1s/^$name: //p")
fi
[ -n "$summary" ]
mkdir -p "$(dirname "$2")"
help2man --no-info --section=1 --manual=Unreel --name="$summary" --help-option="$help" --output="$2" "$1"
