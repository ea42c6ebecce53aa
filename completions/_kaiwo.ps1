# Completion of kaiwo in PowerShell. It asks the program, so it fits every
# version. Files are offered by PowerShell itself, where nothing else is.

Register-ArgumentCompleter -Native -CommandName 'kaiwo' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # An empty word would be lost on its way to a program: the index alone says
    # that a new word begins.
    $words = @($commandAst.CommandElements |
        Select-Object -Skip 1 |
        Where-Object { $_.Extent.StartOffset -lt $cursorPosition } |
        ForEach-Object {
            $text = $_.Extent.Text
            $length = [Math]::Min($text.Length, $cursorPosition - $_.Extent.StartOffset)
            $text.Substring(0, $length).Trim('"', "'")
        })
    $index = $words.Count
    if ($wordToComplete -ne '') { $index -= 1 }

    & kaiwo __complete $index '--' @words 2>$null |
        Where-Object { $_ -notin ':files', ':directories' } |
        ForEach-Object {
            $value, $description = $_ -split "`t", 2
            if (-not $description) { $description = $value }
            $text = $value
            if ($text -match '[^\w./:@%+=,-]') { $text = "'" + $text.Replace("'", "''") + "'" }
            [System.Management.Automation.CompletionResult]::new(
                $text, $value, 'ParameterValue', $description)
        }
}
