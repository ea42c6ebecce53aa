# Completion of kaiwo in elvish. It asks the program, so it fits every version.

use str

set edit:completion:arg-completer[kaiwo] = {|@words|
    var current = $words[-1]
    var index = (to-string (- (count $words) 2))
    try {
        (external kaiwo) __complete $index -- (all $words[1..]) | from-lines | each {|line|
            if (has-value [:files :directories] $line) {
                # Elvish takes the word whole: what precedes a path is put back.
                var path = $current
                if (str:has-prefix $current '-') {
                    set path = [(str:split &max=2 '=' $current)][-1]
                }
                var head = (str:trim-suffix $current $path)
                edit:complete-filename $path | each {|candidate|
                    if (eq $head '') {
                        put $candidate
                    } else {
                        edit:complex-candidate $head$candidate[stem] &code-suffix=$candidate[code-suffix]
                    }
                }
            } else {
                var value description = (str:split &max=2 "\t" $line)
                if (eq $description '') {
                    put $value
                } else {
                    edit:complex-candidate $value &display=$value' ('$description')'
                }
            }
        }
    } catch _ { }
}
