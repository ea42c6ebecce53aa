# Completion of kaiwo in bash. It asks the program, so it fits every version.

_kaiwo() {
    local program=kaiwo
    [[ $1 == */* ]] && program=${1/#\~/$HOME}

    # Bash splits words at = and : as well, kaiwo wants them whole.
    local -a words=()
    local rest=$COMP_LINE index=0 i piece
    for i in "${!COMP_WORDS[@]}"; do
        piece=${COMP_WORDS[i]}
        if [[ $i == 0 || $rest == [[:space:]]* ]]; then
            words+=("")
            rest=${rest#"${rest%%[![:space:]]*}"}
        fi
        rest=${rest#"$piece"}
        if ((i == COMP_CWORD)); then
            index=$((${#words[@]} - 1))
            # Up to the cursor; where = or : was typed last, $2 is empty.
            [[ -n $2 ]] && piece=$2
        fi
        piece=${piece//[\"\'\\]/}
        words[${#words[@]} - 1]+=$piece
    done

    # What stands before the part that bash puts the answer in place of.
    local word=${words[index]} part=${2//[\"\'\\]/}
    local head=${word%"$part"} value _description
    COMPREPLY=()
    while IFS=$'\t' read -r value _description; do
        case $value in
            :files | :directories)
                # Bash 3.2 has no compopt.
                compopt -o filenames 2>/dev/null
                local action=-f
                [[ $value == :directories ]] && action=-d
                while IFS= read -r value; do
                    COMPREPLY+=("$value")
                done < <(compgen "$action" -- "$2")
                ;;
            *)
                value=${value#"$head"}
                [[ $value == *[!A-Za-z0-9_./:@%+=,-]* ]] && printf -v value %q "$value"
                COMPREPLY+=("$value")
                ;;
        esac
    done < <("$program" __complete $((index - 1)) -- "${words[@]:1}" 2>/dev/null </dev/null)
}

# Without nosort, which came with bash 4.4, the answers are sorted.
complete -o nosort -F _kaiwo kaiwo 2>/dev/null || complete -F _kaiwo kaiwo
