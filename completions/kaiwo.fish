# Completion of kaiwo in fish. It asks the program, so it fits every version.

function __kaiwo_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l program kaiwo
    string match --quiet '*/*' -- $words[1]
    and set program (string replace --regex '^~' $HOME -- $words[1])

    set -l word (string trim --chars "\"'" -- "$current")
    set -l answer (command $program __complete (math (count $words) - 1) -- $words[2..-1] "$word" 2>/dev/null </dev/null)
    # The path begins after the = of --flag=PATH.
    set -l path (string replace --regex '^-[^=]*=' '' -- "$current")
    set -l head (string sub --length (math (string length -- "$current") - (string length -- "$path")) -- "$current")
    switch "$answer[1]"
        case :files
            printf "$head%s\n" (__fish_complete_path "$path")
        case :directories
            printf "$head%s\n" (__fish_complete_directories "$path" '')
        case '*'
            printf '%s\n' $answer
    end
end

complete --command kaiwo --no-files --keep-order --arguments '(__kaiwo_complete)'
