
use builtin;
use str;

set edit:completion:arg-completer[kaiwo] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'kaiwo'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'kaiwo'= {
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
            cand -V 'Print version'
            cand --version 'Print version'
            cand submit 'Run a directory or an image to its end, queued by Kueue'
            cand completion 'Print the completion script of a shell'
            cand config 'Show settings'
            cand help 'Explain a command or a topic'
        }
        &'kaiwo;submit'= {
            cand -p 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload'
            cand --path 'Directory to run: entrypoint, env, kaiwoconfig, and files to upload'
            cand -i 'Container image [default with -p: an image with Ray for the GPUs]'
            cand --image 'Container image [default with -p: an image with Ray for the GPUs]'
            cand --ray 'Run on a Ray cluster of its own, as a RayJob'
            cand --ray-version 'Version of Ray in the image'
            cand --schedule 'Run again and again, as a CronJob: "0 3 * * *" is 3 o''clock'
            cand --name 'Name [default: USER-DIR or USER-IMAGE]'
            cand --version 'Version: a suffix of the default name, and a label'
            cand --env-file 'File with variables and secrets [default: DIR/env]'
            cand --env 'Variable: K=V, or K for the value it has here; may be repeated'
            cand --secret 'Variable from a Secret: K=SECRET/KEY; may be repeated'
            cand -t 'Template to render [default: DIR/template, or the built-in one]'
            cand --template 'Template to render [default: DIR/template, or the built-in one]'
            cand -c 'YAML file that the template sees as Custom'
            cand --custom-config 'YAML file that the template sees as Custom'
            cand --set 'Value in Custom: a.b=V, V as JSON or as text; may be repeated'
            cand --upload-limit 'Most bytes to upload from the directory [default: 8Mi]'
            cand -g 'GPUs in total; split over pods as the nodes need'
            cand --gpus 'GPUs in total; split over pods as the nodes need'
            cand --replicas 'Number of pods, instead of kaiwo''s split'
            cand --gpus-per-replica 'GPUs of each pod, instead of kaiwo''s split'
            cand --gpus-per-node 'GPUs that a node has [default: asked of the cluster]'
            cand --gpu-resource 'Resource to request, like amd.com/gpu [default: what the queue has]'
            cand --gpu-node-label-key 'Label of flavors that holds a node''s GPU count [default: the vendor''s: beta.amd.com/gpu.family.AI or nvidia.com/gpu.count]'
            cand --cpus-per-gpu 'CPUs that come with each GPU [default: 4]'
            cand --memory-per-gpu 'Memory that comes with each GPU [default: 32Gi]'
            cand --volume 'Mount a claim: PVC:/path[:ro]; may be repeated'
            cand --storage 'Claim for /scratch: SIZE[,CLASS] [default: an emptyDir]'
            cand --node-selector 'Label the nodes must have; may be repeated'
            cand --toleration 'Taint to tolerate: KEY[=VALUE][:EFFECT]; may be repeated'
            cand --service-account 'Service account of the pods'
            cand --image-pull-secret 'Secret for pulling the image; may be repeated'
            cand --label 'Label of every object and pod; may be repeated'
            cand --annotation 'Annotation of workload and pods; may be repeated'
            cand --retries 'How often to try again after a failure [default: 0]'
            cand --ttl 'Delete the Job so long after its end: 90s, 30m, 2d'
            cand --max-runtime 'End the workload so long after its start'
            cand -n 'Namespace [default: kaiwo]'
            cand --namespace 'Namespace [default: kaiwo]'
            cand --create-namespace 'Make the namespace if there is none'
            cand -q 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]'
            cand --queue 'LocalQueue, or ClusterQueue to make one for [default: kaiwo]'
            cand --priority-class 'WorkloadPriorityClass of Kueue'
            cand --force 'Queue even what the queue cannot admit as it stands; with --replace, delete even what kaiwo did not make'
            cand --replace 'Delete a workload of this name first, unless it is the same and has not ended'
            cand --generate-name 'Add a random suffix to the name'
            cand -d 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection'
            cand --dry-run 'Print what would be created; `server` lets the API server check it, `client` (bare) opens no connection'
            cand -o 'Data on stdout: yaml, json or name [default: yaml in a dry run]'
            cand --output 'Data on stdout: yaml, json or name [default: yaml in a dry run]'
            cand --kubeconfig 'Kubeconfig file [default: $KUBECONFIG, else ~/.kube/config]'
            cand --context 'Context of the kubeconfig [default: its current one]'
            cand --as 'User to impersonate'
            cand --as-group 'Group to impersonate; may be repeated'
            cand --request-timeout 'Most seconds that one request may take'
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand --insecure-skip-tls-verify 'Do not check the certificate of the API server'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'kaiwo;completion'= {
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'kaiwo;config'= {
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
            cand show 'Show every setting, and which variable or file it comes from'
        }
        &'kaiwo;config;show'= {
            cand -p 'Directory whose kaiwoconfig counts'
            cand --path 'Directory whose kaiwoconfig counts'
            cand -o '`json` for programs'
            cand --output '`json` for programs'
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
        }
        &'kaiwo;help'= {
            cand --color 'Colours on stderr: auto, always or never [default: auto]'
            cand -v 'Say more on stderr: every request; twice: the HTTP client too'
            cand --verbose 'Say more on stderr: every request; twice: the HTTP client too'
            cand --quiet 'Say nothing on stderr but errors'
            cand -h 'Print help'
            cand --help 'Print help'
        }
    ]
    $completions[$command]
}
