# bash completion for pomelua(1). With the package bash-completion it is loaded at its first use;
# without, `source` this file.

# What a command takes, into variables of the caller's: flags; values, as --name:KIND or
# --name:=A,B; kinds of its words; mode.
_pomelua_table() {
  case $1 in
@TABLE@
  esac
}

# A word of the command line as the command gets it, but for variables and the like.
_pomelua_plain() {
  local word=$1
  word=${word#[\"\']}
  word=${word%[\"\']}
  word=${word//\\/}
  [[ $word != "~/"* ]] || word=$HOME/${word#"~/"}
  plain=$word
}

# Names in a file of config/, by environment or not: lines "env NAME", "list NAME" (types of
# servers), "part NAME" (databases) and "id NAME".
_pomelua_names() {
  awk '{ text = text $0 "\n" }
    END {
      n = length(text)
      for (i = 1; i <= n; i++) {
        c = substr(text, i, 1)
        if (c == "\"") {
          s = ""
          for (i++; i <= n && (c = substr(text, i, 1)) != "\""; i++) {
            if (c == "\\") c = substr(text, ++i, 1)
            s = s c
          }
          for (j = i + 1; j <= n && substr(text, j, 1) ~ /[ \t\r\n]/; j++) continue
          if (substr(text, j, 1) == ":") key[depth] = s
          else if (key[depth] == "id") print "id " s
        } else if (c == "{" || c == "[") {
          if (c == "[" && depth <= 2) print "list " key[depth]
          if (c == "[" && depth == 2) print "env " key[1]
          if (c == "{" && depth == 2) print "part " key[2]
          if (c == "{" && depth == 1) print "object " key[1]
          depth++
          key[depth] = ""
        } else if (c == "}" || c == "]") depth--
      }
    }' 2>/dev/null <"$1" # as an argument, a name with "=" in it would be a variable
}

_pomelua_of() { # kind of name, file
  _pomelua_names "$2" | sed -n "s/^$1 //p" | sort -u
}

# The ids of the servers that run in the folder; where none do, those of config/servers.json.
_pomelua_ids() {
  local state=() found
  [ -z "$state_dir" ] || state=(--state "$state_dir")
  found=$(timeout 2 "$program" list -d "$dir" "${state[@]}" --json 2>/dev/null |
    sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
  if [ -n "$found" ]; then printf '%s\n' "$found"; else
    _pomelua_of id "$dir/config/servers.json"
  fi
}

# A name as it may stand in the command line, into $line. Between quotes bash takes it as it is: one
# with a character that means something there, such as $(...), is not offered. Returns whether it is.
_pomelua_fits() {
  case $quote in
    \') [[ $line != *\'* ]] ;;
    \") [[ $line != *[\$\`\"\\!]* ]] ;;
    *) printf -v line %q "$line" ;;
  esac
}

# Offers the lines of standard input that begin with the word; behind a list, "a,b", the rest.
_pomelua_offer() {
  local line before=
  [ "$1" != list ] || [[ $plain != *,* ]] || before=${plain%,*},
  while IFS= read -r line; do
    [ -n "$line" ] || continue
    line=$before$line
    [[ $line == "$plain"* ]] || continue
    _pomelua_fits || continue
    COMPREPLY+=("${line//\\,/,}")
  done
}

# Paths: dir: folders; lua: also Lua files; file: all.
_pomelua_paths() {
  local line
  compopt -o filenames 2>/dev/null
  while IFS= read -r line; do
    if [ "$1" != lua ] || [ -d "$line" ] || [[ $line == *.lua ]]; then COMPREPLY+=("$line"); fi
  done < <(if [ "$1" = dir ]; then compgen -d -- "$plain"; else compgen -f -- "$plain"; fi)
}

# Folders with an app in them, among ids.
_pomelua_apps() {
  local line
  while IFS= read -r line; do
    [ -e "$line/app.lua" ] || continue
    _pomelua_fits || continue
    COMPREPLY+=("$line/")
  done < <(compgen -d -- "$plain")
}

_pomelua_value() { # kind
  local servers=$dir/config/servers.json
  case $1 in
    =*) _pomelua_offer < <(tr , '\n' <<<"${1#=}") ;;
    dir | file | lua) _pomelua_paths "$1" ;;
    test) _pomelua_paths lua ;;
    env)
      _pomelua_offer < <(
        found=$(_pomelua_of env "$servers"
          for file in "$dir"/config/*/servers.json; do
            file=${file%/servers.json}
            [ "${file##*/}" = "*" ] || printf '%s\n' "${file##*/}"
          done)
        [ -n "$found" ] || found=$'development\nproduction'
        sort -u <<<"$found"
      )
      ;;
    id) _pomelua_offer < <(_pomelua_ids) ;;
    ids) _pomelua_offer list < <(_pomelua_of id "$servers") ;;
    type) _pomelua_offer < <(_pomelua_of list "$servers") ;;
    types) _pomelua_offer list < <(_pomelua_of list "$servers") ;;
    database)
      _pomelua_offer < <(
        found=$(_pomelua_of part "$dir/config/databases.json")
        [ -n "$found" ] || found=$(_pomelua_of object "$dir/config/databases.json")
        printf '%s\n' "$found"
      )
      ;;
  esac
}

# Where bash breaks words, --name=value is three of them.
_pomelua_read() {
  local i word next
  words=0 only_words= passed= of= dir=. state_dir=
  for ((i = 2; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]} of=
    if [ -n "$only_words" ]; then
      words=$((words + 1))
      continue
    fi
    case $word in
      --) only_words=1 passed=1 ;;
      -*)
        [[ " $values " == *" $word:"* ]] || continue
        next=$((i + 1))
        [ "${COMP_WORDS[next]}" != = ] || next=$((next + 1))
        of=${values#*"$word:"} of=${of%% *}
        [ $next -lt "$COMP_CWORD" ] || return
        of=
        _pomelua_plain "${COMP_WORDS[next]}"
        case $word in
          -d | --directory) dir=$plain ;;
          --state) state_dir=$plain ;;
        esac
        i=$next
        ;;
      *)
        _pomelua_plain "$word"
        if [[ $mode == *only* || $mode == *among* ]] && [ -e "$plain/app.lua" ]; then
          dir=$plain
          [[ $mode == *among* ]] && continue
        fi
        words=$((words + 1))
        [[ $mode != *script* ]] || only_words=1
        ;;
    esac
  done
}

_pomelua() {
  COMPREPLY=()
  local cur=${COMP_WORDS[COMP_CWORD]} program=${COMP_WORDS[0]} command=${COMP_WORDS[1]}
  local flags= values= kinds= mode= plain= quote= words only_words passed of dir state_dir list kind
  [ "$cur" != = ] || cur=
  [[ $program != "~/"* ]] || program=$HOME/${program#"~/"}
  if [ "$COMP_CWORD" = 1 ] || { [ "$COMP_CWORD" = 2 ] && [ "$command" = help ]; }; then
    list='help @COMMANDS@'
    [[ $cur != -* ]] || list='@OPTIONS@'
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
    return
  fi
  [ "$command" != help ] || return
  _pomelua_table "$command"
  _pomelua_read
  _pomelua_plain "$cur"
  [[ $cur != [\"\']* ]] || quote=${cur:0:1}
  if [ -n "$of" ]; then
    _pomelua_value "$of"
    return
  fi
  if [[ $cur == -* ]] && [ -z "$only_words" ]; then
    list=$flags
    for kind in $values; do list+=" ${kind%%:*}"; done
    mapfile -t COMPREPLY < <(compgen -W "$list" -- "$cur")
    return
  fi
  [[ -z $passed || $mode != *rest* ]] || return
  read -ra list <<<"$kinds"
  [ ${#list[@]} -gt 0 ] || return
  [ $words -lt ${#list[@]} ] || words=$((${#list[@]} - 1))
  kind=${list[words]}
  if [[ $mode == *among* && $plain == */* ]]; then kind=dir; fi
  _pomelua_value "$kind"
  [[ $mode != *among* || $plain == */* || $dir != . ]] || _pomelua_apps
}

complete -F _pomelua pomelua
