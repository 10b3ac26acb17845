#!/bin/sh
# Checks the Ed25519 signature of a checkpoint with openssl.
#
#     check_signature.sh CHECKPOINT VKEY
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# What is signed: everything before the empty line.
sed '/^$/,$d' "$1" >"$dir/text"
# The signature: behind four bytes that name the key. Where a key hands over to
# the next one, the checkpoint has two.
id=$(sed 's/^[^+]*+\([^+]*\)+.*/\1/' "$2")
sed -n 's/^— [^ ]* //p' "$1" | while read -r line; do
    printf '%s\n' "$line" | base64 -d >"$dir/line"
    if [ "$(od -A n -t x1 -N 4 "$dir/line" | tr -d ' \n')" = "$id" ]; then
        tail -c +5 "$dir/line" >"$dir/signature"
    fi
done
if [ ! -s "$dir/signature" ]; then
    echo "no signature of the key $id" >&2
    exit 1
fi
# The key: name+id+base64(0x01 and 32 bytes), put behind the head of an Ed25519 key.
{
    printf '\060\052\060\005\006\003\053\145\160\003\041\000'
    sed 's/^[^+]*+[^+]*+//' "$2" | base64 -d | tail -c +2
} >"$dir/key"
openssl pkey -pubin -inform DER -in "$dir/key" -out "$dir/key.pem"
openssl pkeyutl -verify -pubin -inkey "$dir/key.pem" -rawin -in "$dir/text" -sigfile "$dir/signature"
