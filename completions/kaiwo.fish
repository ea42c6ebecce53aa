# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kaiwo_global_optspecs
    string join \n v/verbose quiet color= h/help V/version
end

function __fish_kaiwo_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kaiwo_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kaiwo_using_subcommand
    set -l cmd (__fish_kaiwo_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kaiwo -n "__fish_kaiwo_needs_command" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_needs_command" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -s V -l version -d 'Print version'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -f -a "submit" -d 'Run a directory or an image to its end, queued by Kueue'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -f -a "completion" -d 'Print the completion script of a shell'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -f -a "config" -d 'Show settings'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -f -a "template" -d 'Show the built-in templates, and what templates may use'
complete -c kaiwo -n "__fish_kaiwo_needs_command" -f -a "help" -d 'Explain a command or a topic'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s p -l path -d 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s i -l image -d 'Container image [default with -p: an image with Ray for the GPUs]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l ray -d 'Run on a Ray cluster of its own, as a RayJob' -r -f -a "true\t''
false\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l ray-version -d 'Version of Ray in the image' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l schedule -d 'Run again and again, as a CronJob: "0 3 * * *" is 3 o\'clock' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l name -d 'Name [default: USER-DIR or USER-IMAGE]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l version -d 'Version: a suffix of the default name, and a label' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l env-file -d 'File with variables and secrets [default: DIR/env]' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l env -d 'Variable: K=V, or K for the value it has here; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l secret -d 'Variable from a Secret: K=SECRET/KEY; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s t -l template -d 'Template to render [default: DIR/template, or the built-in one]' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s c -l custom-config -d 'YAML file that the template sees as Custom' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l set -d 'Value in Custom: a.b=V, V as JSON or as text; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l upload-limit -d 'Most bytes to upload from the directory [default: 8Mi]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s g -l gpus -d 'GPUs in total; split over pods as the nodes need' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l replicas -d 'Number of pods, instead of kaiwo\'s split' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l gpus-per-replica -d 'GPUs of each pod, instead of kaiwo\'s split' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l gpus-per-node -d 'GPUs that a node has [default: asked of the cluster]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l gpu-resource -d 'Resource to request, like amd.com/gpu [default: what the queue has]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l gpu-node-label-key -d 'Label of flavors that holds a node\'s GPU count [default: the vendor\'s: beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l cpus-per-gpu -d 'CPUs that come with each GPU [default: 4]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l memory-per-gpu -d 'Memory that comes with each GPU [default: 32Gi]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l volume -d 'Mount a claim: PVC:/path[:ro]; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l storage -d 'Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l node-selector -d 'Label the nodes must have; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l toleration -d 'Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l service-account -d 'Service account of the pods' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l image-pull-secret -d 'Secret for pulling the image; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l label -d 'Label of every object and pod; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l annotation -d 'Annotation of workload and pods; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l retries -d 'How often to try again after a failure [default: 0]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l ttl -d 'Delete the Job so long after its end: 90s, 30m, 2d' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l max-runtime -d 'End the workload so long after its start' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s n -l namespace -d 'Namespace [default: kaiwo]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l create-namespace -d 'Make the namespace if there is none' -r -f -a "true\t''
false\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s q -l queue -d 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l priority-class -d 'WorkloadPriorityClass of Kueue' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l force -d 'Queue even what the queue cannot admit as it stands; with --replace, delete even what kaiwo did not make' -r -f -a "true\t''
false\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l replace -d 'Delete a workload of this name first, unless it is the same and has not ended' -r -f -a "true\t''
false\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l generate-name -d 'Add a random suffix to the name' -r -f -a "true\t''
false\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s d -l dry-run -d 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s o -l output -d 'Data on stdout: yaml, json or name [default: yaml in a dry run]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l kubeconfig -d 'Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l context -d 'Context of the kubeconfig [default: its current one]' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l as -d 'User to impersonate' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l request-timeout -d 'Most seconds that one request may take' -r
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l insecure-skip-tls-verify -d 'Do not check the certificate of the API server'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand submit" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand completion" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand completion" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand completion" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand completion" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and not __fish_seen_subcommand_from show" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and not __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and not __fish_seen_subcommand_from show" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and not __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and not __fish_seen_subcommand_from show" -f -a "show" -d 'Show every setting, and which variable or file it comes from'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -s p -l path -d 'Directory whose kaiwoconfig counts' -r -F
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -s o -l output -d '`json` for programs' -r -f -a "json\t''"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -f -a "show" -d 'Print the built-in template of a kind'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -f -a "eject" -d 'Write the built-in template of a kind into a directory, to change it'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and not __fish_seen_subcommand_from show eject context" -f -a "context" -d 'Print everything a template may use, with the values it would have'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from show" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from show" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from eject" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from eject" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from eject" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from eject" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from context" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from context" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from context" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from context" -s h -l help -d 'Print help'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand template; and __fish_seen_subcommand_from context" -f -a "submit" -d 'For kaiwo submit, with its flags'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand help" -l color -d 'Colours on stderr: auto, always or never [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c kaiwo -n "__fish_kaiwo_using_subcommand help" -s v -l verbose -d 'Say more on stderr: every request; twice: the HTTP client too'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand help" -l quiet -d 'Say nothing on stderr but errors'
complete -c kaiwo -n "__fish_kaiwo_using_subcommand help" -s h -l help -d 'Print help'
