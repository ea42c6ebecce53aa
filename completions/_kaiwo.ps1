
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'kaiwo' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'kaiwo'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'kaiwo' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('submit', 'submit', [CompletionResultType]::ParameterValue, 'Run a directory or an image to its end, queued by Kueue')
            [CompletionResult]::new('completion', 'completion', [CompletionResultType]::ParameterValue, 'Print the completion script of a shell')
            [CompletionResult]::new('config', 'config', [CompletionResultType]::ParameterValue, 'Show settings')
            [CompletionResult]::new('template', 'template', [CompletionResultType]::ParameterValue, 'Show the built-in templates, and what templates may use')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Explain a command or a topic')
            break
        }
        'kaiwo;submit' {
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Container image [default with -p: an image with Ray for the GPUs]')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Container image [default with -p: an image with Ray for the GPUs]')
            [CompletionResult]::new('--ray', '--ray', [CompletionResultType]::ParameterName, 'Run on a Ray cluster of its own, as a RayJob')
            [CompletionResult]::new('--ray-version', '--ray-version', [CompletionResultType]::ParameterName, 'Version of Ray in the image')
            [CompletionResult]::new('--schedule', '--schedule', [CompletionResultType]::ParameterName, 'Run again and again, as a CronJob: "0 3 * * *" is 3 o''clock')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name [default: USER-DIR or USER-IMAGE]')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Version: a suffix of the default name, and a label')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File with variables and secrets [default: DIR/env]')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Variable: K=V, or K for the value it has here; may be repeated')
            [CompletionResult]::new('--secret', '--secret', [CompletionResultType]::ParameterName, 'Variable from a Secret: K=SECRET/KEY; may be repeated')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Template to render [default: DIR/template, or the built-in one]')
            [CompletionResult]::new('--template', '--template', [CompletionResultType]::ParameterName, 'Template to render [default: DIR/template, or the built-in one]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'YAML file that the template sees as Custom')
            [CompletionResult]::new('--custom-config', '--custom-config', [CompletionResultType]::ParameterName, 'YAML file that the template sees as Custom')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Value in Custom: a.b=V, V as JSON or as text; may be repeated')
            [CompletionResult]::new('--upload-limit', '--upload-limit', [CompletionResultType]::ParameterName, 'Most bytes to upload from the directory [default: 8Mi]')
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'GPUs in total; split over pods as the nodes need')
            [CompletionResult]::new('--gpus', '--gpus', [CompletionResultType]::ParameterName, 'GPUs in total; split over pods as the nodes need')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'Number of pods, instead of kaiwo''s split')
            [CompletionResult]::new('--gpus-per-replica', '--gpus-per-replica', [CompletionResultType]::ParameterName, 'GPUs of each pod, instead of kaiwo''s split')
            [CompletionResult]::new('--gpus-per-node', '--gpus-per-node', [CompletionResultType]::ParameterName, 'GPUs that a node has [default: asked of the cluster]')
            [CompletionResult]::new('--gpu-resource', '--gpu-resource', [CompletionResultType]::ParameterName, 'Resource to request, like amd.com/gpu [default: what the queue has]')
            [CompletionResult]::new('--gpu-node-label-key', '--gpu-node-label-key', [CompletionResultType]::ParameterName, 'Label of flavors that holds a node''s GPU count [default: the vendor''s: beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]')
            [CompletionResult]::new('--cpus-per-gpu', '--cpus-per-gpu', [CompletionResultType]::ParameterName, 'CPUs that come with each GPU [default: 4]')
            [CompletionResult]::new('--memory-per-gpu', '--memory-per-gpu', [CompletionResultType]::ParameterName, 'Memory that comes with each GPU [default: 32Gi]')
            [CompletionResult]::new('--volume', '--volume', [CompletionResultType]::ParameterName, 'Mount a claim: PVC:/path[:ro]; may be repeated')
            [CompletionResult]::new('--storage', '--storage', [CompletionResultType]::ParameterName, 'Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]')
            [CompletionResult]::new('--node-selector', '--node-selector', [CompletionResultType]::ParameterName, 'Label the nodes must have; may be repeated')
            [CompletionResult]::new('--toleration', '--toleration', [CompletionResultType]::ParameterName, 'Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated')
            [CompletionResult]::new('--service-account', '--service-account', [CompletionResultType]::ParameterName, 'Service account of the pods')
            [CompletionResult]::new('--image-pull-secret', '--image-pull-secret', [CompletionResultType]::ParameterName, 'Secret for pulling the image; may be repeated')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Label of every object and pod; may be repeated')
            [CompletionResult]::new('--annotation', '--annotation', [CompletionResultType]::ParameterName, 'Annotation of workload and pods; may be repeated')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'How often to try again after a failure [default: 0]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Delete the Job so long after its end: 90s, 30m, 2d')
            [CompletionResult]::new('--max-runtime', '--max-runtime', [CompletionResultType]::ParameterName, 'End the workload so long after its start')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace [default: kaiwo]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace [default: kaiwo]')
            [CompletionResult]::new('--create-namespace', '--create-namespace', [CompletionResultType]::ParameterName, 'Make the namespace if there is none')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]')
            [CompletionResult]::new('--queue', '--queue', [CompletionResultType]::ParameterName, 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]')
            [CompletionResult]::new('--priority-class', '--priority-class', [CompletionResultType]::ParameterName, 'WorkloadPriorityClass of Kueue')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Queue even what the queue cannot admit as it stands; with --replace, delete even what kaiwo did not make')
            [CompletionResult]::new('--replace', '--replace', [CompletionResultType]::ParameterName, 'Delete a workload of this name first, unless it is the same and has not ended')
            [CompletionResult]::new('--generate-name', '--generate-name', [CompletionResultType]::ParameterName, 'Add a random suffix to the name')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Data on stdout: yaml, json or name [default: yaml in a dry run]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Data on stdout: yaml, json or name [default: yaml in a dry run]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig [default: its current one]')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'User to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'Group to impersonate; may be repeated')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'Most seconds that one request may take')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the certificate of the API server')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;completion' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;config' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Show every setting, and which variable or file it comes from')
            break
        }
        'kaiwo;config;show' {
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Directory whose kaiwoconfig counts')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Directory whose kaiwoconfig counts')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, '`json` for programs')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, '`json` for programs')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;template' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the built-in template of a kind')
            [CompletionResult]::new('eject', 'eject', [CompletionResultType]::ParameterValue, 'Write the built-in template of a kind into a directory, to change it')
            [CompletionResult]::new('context', 'context', [CompletionResultType]::ParameterValue, 'Print everything a template may use, with the values it would have')
            break
        }
        'kaiwo;template;show' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;template;eject' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;template;context' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('submit', 'submit', [CompletionResultType]::ParameterValue, 'For kaiwo submit, with its flags')
            break
        }
        'kaiwo;template;context;submit' {
            [CompletionResult]::new('-p', '-p', [CompletionResultType]::ParameterName, 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload')
            [CompletionResult]::new('--path', '--path', [CompletionResultType]::ParameterName, 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload')
            [CompletionResult]::new('-i', '-i', [CompletionResultType]::ParameterName, 'Container image [default with -p: an image with Ray for the GPUs]')
            [CompletionResult]::new('--image', '--image', [CompletionResultType]::ParameterName, 'Container image [default with -p: an image with Ray for the GPUs]')
            [CompletionResult]::new('--ray', '--ray', [CompletionResultType]::ParameterName, 'Run on a Ray cluster of its own, as a RayJob')
            [CompletionResult]::new('--ray-version', '--ray-version', [CompletionResultType]::ParameterName, 'Version of Ray in the image')
            [CompletionResult]::new('--schedule', '--schedule', [CompletionResultType]::ParameterName, 'Run again and again, as a CronJob: "0 3 * * *" is 3 o''clock')
            [CompletionResult]::new('--name', '--name', [CompletionResultType]::ParameterName, 'Name [default: USER-DIR or USER-IMAGE]')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Version: a suffix of the default name, and a label')
            [CompletionResult]::new('--env-file', '--env-file', [CompletionResultType]::ParameterName, 'File with variables and secrets [default: DIR/env]')
            [CompletionResult]::new('--env', '--env', [CompletionResultType]::ParameterName, 'Variable: K=V, or K for the value it has here; may be repeated')
            [CompletionResult]::new('--secret', '--secret', [CompletionResultType]::ParameterName, 'Variable from a Secret: K=SECRET/KEY; may be repeated')
            [CompletionResult]::new('-t', '-t', [CompletionResultType]::ParameterName, 'Template to render [default: DIR/template, or the built-in one]')
            [CompletionResult]::new('--template', '--template', [CompletionResultType]::ParameterName, 'Template to render [default: DIR/template, or the built-in one]')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'YAML file that the template sees as Custom')
            [CompletionResult]::new('--custom-config', '--custom-config', [CompletionResultType]::ParameterName, 'YAML file that the template sees as Custom')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Value in Custom: a.b=V, V as JSON or as text; may be repeated')
            [CompletionResult]::new('--upload-limit', '--upload-limit', [CompletionResultType]::ParameterName, 'Most bytes to upload from the directory [default: 8Mi]')
            [CompletionResult]::new('-g', '-g', [CompletionResultType]::ParameterName, 'GPUs in total; split over pods as the nodes need')
            [CompletionResult]::new('--gpus', '--gpus', [CompletionResultType]::ParameterName, 'GPUs in total; split over pods as the nodes need')
            [CompletionResult]::new('--replicas', '--replicas', [CompletionResultType]::ParameterName, 'Number of pods, instead of kaiwo''s split')
            [CompletionResult]::new('--gpus-per-replica', '--gpus-per-replica', [CompletionResultType]::ParameterName, 'GPUs of each pod, instead of kaiwo''s split')
            [CompletionResult]::new('--gpus-per-node', '--gpus-per-node', [CompletionResultType]::ParameterName, 'GPUs that a node has [default: asked of the cluster]')
            [CompletionResult]::new('--gpu-resource', '--gpu-resource', [CompletionResultType]::ParameterName, 'Resource to request, like amd.com/gpu [default: what the queue has]')
            [CompletionResult]::new('--gpu-node-label-key', '--gpu-node-label-key', [CompletionResultType]::ParameterName, 'Label of flavors that holds a node''s GPU count [default: the vendor''s: beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]')
            [CompletionResult]::new('--cpus-per-gpu', '--cpus-per-gpu', [CompletionResultType]::ParameterName, 'CPUs that come with each GPU [default: 4]')
            [CompletionResult]::new('--memory-per-gpu', '--memory-per-gpu', [CompletionResultType]::ParameterName, 'Memory that comes with each GPU [default: 32Gi]')
            [CompletionResult]::new('--volume', '--volume', [CompletionResultType]::ParameterName, 'Mount a claim: PVC:/path[:ro]; may be repeated')
            [CompletionResult]::new('--storage', '--storage', [CompletionResultType]::ParameterName, 'Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]')
            [CompletionResult]::new('--node-selector', '--node-selector', [CompletionResultType]::ParameterName, 'Label the nodes must have; may be repeated')
            [CompletionResult]::new('--toleration', '--toleration', [CompletionResultType]::ParameterName, 'Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated')
            [CompletionResult]::new('--service-account', '--service-account', [CompletionResultType]::ParameterName, 'Service account of the pods')
            [CompletionResult]::new('--image-pull-secret', '--image-pull-secret', [CompletionResultType]::ParameterName, 'Secret for pulling the image; may be repeated')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Label of every object and pod; may be repeated')
            [CompletionResult]::new('--annotation', '--annotation', [CompletionResultType]::ParameterName, 'Annotation of workload and pods; may be repeated')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'How often to try again after a failure [default: 0]')
            [CompletionResult]::new('--ttl', '--ttl', [CompletionResultType]::ParameterName, 'Delete the Job so long after its end: 90s, 30m, 2d')
            [CompletionResult]::new('--max-runtime', '--max-runtime', [CompletionResultType]::ParameterName, 'End the workload so long after its start')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Namespace [default: kaiwo]')
            [CompletionResult]::new('--namespace', '--namespace', [CompletionResultType]::ParameterName, 'Namespace [default: kaiwo]')
            [CompletionResult]::new('--create-namespace', '--create-namespace', [CompletionResultType]::ParameterName, 'Make the namespace if there is none')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]')
            [CompletionResult]::new('--queue', '--queue', [CompletionResultType]::ParameterName, 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]')
            [CompletionResult]::new('--priority-class', '--priority-class', [CompletionResultType]::ParameterName, 'WorkloadPriorityClass of Kueue')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Queue even what the queue cannot admit as it stands; with --replace, delete even what kaiwo did not make')
            [CompletionResult]::new('--replace', '--replace', [CompletionResultType]::ParameterName, 'Delete a workload of this name first, unless it is the same and has not ended')
            [CompletionResult]::new('--generate-name', '--generate-name', [CompletionResultType]::ParameterName, 'Add a random suffix to the name')
            [CompletionResult]::new('-d', '-d', [CompletionResultType]::ParameterName, 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Data on stdout: yaml, json or name [default: yaml in a dry run]')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'Data on stdout: yaml, json or name [default: yaml in a dry run]')
            [CompletionResult]::new('--kubeconfig', '--kubeconfig', [CompletionResultType]::ParameterName, 'Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]')
            [CompletionResult]::new('--context', '--context', [CompletionResultType]::ParameterName, 'Context of the kubeconfig [default: its current one]')
            [CompletionResult]::new('--as', '--as', [CompletionResultType]::ParameterName, 'User to impersonate')
            [CompletionResult]::new('--as-group', '--as-group', [CompletionResultType]::ParameterName, 'Group to impersonate; may be repeated')
            [CompletionResult]::new('--request-timeout', '--request-timeout', [CompletionResultType]::ParameterName, 'Most seconds that one request may take')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('--insecure-skip-tls-verify', '--insecure-skip-tls-verify', [CompletionResultType]::ParameterName, 'Do not check the certificate of the API server')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
        'kaiwo;help' {
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours on stderr: auto, always or never [default: auto]')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more on stderr: every request; twice: the HTTP client too')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing on stderr but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
