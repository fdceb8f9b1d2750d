#!/usr/bin/env bash
# Speaks scripts.json: one Ogg Opus file per turn, <script>/<turn>.ogg, mono, 20 ms packets, and
# <script>/levels.txt with a line per turn: the loudness of each packet in -dBov, in hex, which
# clients send along with it (RFC 6464).
# Needs espeak-ng, ffmpeg, opusenc and python3. The results are committed; run this after a change
# of the texts or the voices, and remove the files of turns that are gone.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# one line per turn: file, band, voice, pitch, speed, text (tab separated)
python3 - > "$work/turns" <<'PY'
import json

for script in json.load(open("scripts.json")):
    for index, turn in enumerate(script["turns"]):
        who = script[turn["speaker"]]
        band = "phone" if who.get("kind") == "sip" else "wide"
        print(f"{script['name']}/{index:02}.ogg", band, who["voice"], who["pitch"],
              who["words_a_minute"], turn["text"], sep="\t")
PY

cat > "$work/levels.py" <<'PY'
import array
import math
import sys
import wave

with wave.open(sys.argv[1]) as sound:
    pcm = array.array("h", sound.readframes(sound.getnframes()))
levels = []
for start in range(0, len(pcm), 960):
    frame = pcm[start:start + 960]
    rms = math.sqrt(sum(s * s for s in frame) / len(frame)) / 32768
    levels.append(127 if rms < 1e-6 else min(127, max(0, round(-20 * math.log10(rms)))))
print(bytes(levels).hex())
PY

rm -f ./*/levels.txt
while IFS=$'\t' read -r file band voice pitch speed text; do
  mkdir -p "$(dirname "$file")"
  espeak-ng -v "$voice" -p "$pitch" -s "$speed" -g 2 -w "$work/raw.wav" -- "$text"
  # silence around the words is cut: scripts.json says how long pauses are. A caller by phone
  # sounds like one.
  filters="silenceremove=start_periods=1:start_threshold=-50dB,areverse"
  filters+=",silenceremove=start_periods=1:start_threshold=-50dB,areverse"
  filters+=",adelay=40,apad=pad_dur=0.06"
  if [ "$band" = phone ]; then filters+=",highpass=f=250,lowpass=f=3600"; fi
  ffmpeg -nostdin -v error -y -i "$work/raw.wav" -af "$filters" -ar 48000 -ac 1 "$work/shaped.wav"
  mean=$(ffmpeg -nostdin -hide_banner -i "$work/shaped.wav" -af volumedetect -f null - 2>&1 |
    sed -n 's/.*mean_volume: \(-[0-9.]*\) dB/\1/p')
  gain=$(python3 -c "print(-21 - ($mean))")
  ffmpeg -nostdin -v error -y -i "$work/shaped.wav" \
    -af "volume=${gain}dB,alimiter=limit=0.8:level=disabled" \
    -map_metadata -1 -fflags +bitexact "$work/turn.wav"
  opusenc --quiet --speech --bitrate 18 --vbr --framesize 20 --comp 10 --serial 1 \
    --discard-comments --discard-pictures "$work/turn.wav" "$file"
  python3 "$work/levels.py" "$work/turn.wav" >> "$(dirname "$file")/levels.txt"
done < "$work/turns"
du -cb ./*/*.ogg | tail -1
