# Shell functions the set-up steps share: one line per step with the seconds it took.

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m' terminal=yes
else bold='' dim='' red='' green='' plain='' terminal=''; fi

fail() { # what happened, how to mend it
  printf '%s✗%s %s. %s\n' "$red$bold" "$plain" "$1" "$2" >&2
  exit 1
}

step() { # name, log file, command...
  local name=$1 log=$2 began=$SECONDS pid frame=0 frames='⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
  shift 2
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
  while [ "$terminal" ] && kill -0 "$pid" 2>/dev/null; do
    frame=$(((frame + 1) % 10))
    printf '\r%s %-26s %s%4d s  %.*s%s\e[K' "${frames:frame:1}" "$name" "$dim" $((SECONDS - began)) \
      "$((${COLUMNS:-80} - 40))" "$(tail -n 1 "$log" 2>/dev/null | tr -d '\r\033')" "$plain"
    sleep 0.2
  done
  if wait "$pid"; then
    printf '%s%s✓%s %-26s %s%4d s%s%s\n' "${terminal:+$'\r'}" "$green$bold" "$plain" "$name" "$dim" \
      $((SECONDS - began)) "$plain" "${terminal:+$'\e[K'}"
    trap - INT TERM
  else
    printf '%s%s✗%s %s\n' "${terminal:+$'\r\e[K'}" "$red$bold" "$plain" "$name" >&2
    tail -n 15 "$log" | sed 's/^/    /' >&2
    fail "$name failed" "The whole output is in $log."
  fi
}

current() { # stamp, files...: true when the stamp was made from these files as they are
  [ -f "$1" ] && [ "$(cat "$1")" = "$(fingerprint "${@:2}")" ]
}

fingerprint() { sha256sum -- "$@" | sha256sum | cut -c1-64; }
