# bash completion for dicenet-archive                                                -*- shell-script -*-
# SPDX-License-Identifier: LGPL-2.1-or-later

_dicenet_archive() {
  local cur prev words cword split command=run
  _init_completion -s || return
  [[ ${words[1]} != report ]] || command=report
  case $prev in
    --compress) mapfile -t COMPREPLY < <(compgen -W "none gzip zstd" -- "$cur") ;;
    --rows) mapfile -t COMPREPLY < <(compgen -W "classes bins" -- "$cur") ;;
    --networks) mapfile -t COMPREPLY < <(compgen -W "classify detect segment classify,detect,segment" -- "$cur") ;;
    --model-*) _filedir safetensors ;;
    --csv | --parquet | --output | -o) _filedir ;;
    --threshold-* | --set | --interval | --lines | --zones | --workers | --memory | --stall-timeout | --shard | --array-size | --partition | --sbatch | --timezone | --pictures) ;;
    *)
      $split && return
      if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_parse_help "$1" "$command --help")" -- "$cur")
        return
      fi
      _filedir
      ((cword > 1)) || mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W "run report" -- "$cur")
      ;;
  esac
} && complete -F _dicenet_archive dicenet-archive
