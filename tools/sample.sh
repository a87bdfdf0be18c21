#!/bin/sh
# Makes assets/samples/hello.wav with eSpeak NG and SoX: first softly, then sharply. No person's voice is in it.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
espeak-ng -v en-us+f3 -s 110 -p 85 -w "$folder/soft.wav" "Oh wow, there you are! Come here, good dog. It is so nice to see you."
espeak-ng -v en-us -s 190 -p 50 -w "$folder/sharp.wav" "Stop that! Leave it alone! Go away, now!"
sox "$folder/soft.wav" "$folder/padded.wav" pad 0 3
sox "$folder/padded.wav" "$folder/sharp.wav" -r 16000 -b 16 -c 1 assets/samples/hello.wav
