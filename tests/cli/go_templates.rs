//! Templates of the original kaiwo's services, and the way to ours: what is
//! said about each line is done, until nothing is said any more.

use crate::common::{Outcome, Sandbox};

const DEPLOYMENT: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Meta.Name }}
  namespace: {{ .Meta.Namespace }}
  labels:
    kaiwo-cli/username: {{ .Meta.User }}
spec:
  replicas: {{ .Scheduling.CalculatedReplicas }}
  selector:
    matchLabels:
      app: {{ .Meta.Name }}
  template:
    metadata:
      labels:
        app: {{ .Meta.Name }}
    spec:
      {{- if .Meta.ImagePullSecret }}
      imagePullSecrets:
      - name: {{ .Meta.ImagePullSecret }}
      {{- end }}
      containers:
      - name: server
        image: "{{ .Meta.Image }}"
        {{- if .Workload.Entrypoint }}
        command: ["sh", "-c", {{ .Workload.Entrypoint }}]
        {{- end }}
        {{- if .Meta.EnvVars }}
        env:
        {{- range .Meta.EnvVars }}
        - name: {{ .Name }}
          {{- if .FromSecret }}
          valueFrom:
            secretKeyRef:
              name: {{ .FromSecret.Secret }}
              key: {{ .FromSecret.Key }}
          {{- else }}
          value: "{{ .Value }}"
          {{- end }}
        {{- end }}
        {{- end }}
        resources:
          limits:
            cpu: "{{ mul .Scheduling.CalculatedGPUsPerReplica 4 }}"
            memory: {{ .Custom.memory | default "64Gi" | quote }}
            amd.com/gpu: {{ .Scheduling.CalculatedGPUsPerReplica }}
        volumeMounts:
        {{- range .Meta.SecretVolumes }}
        - name: {{ .Name }}
          mountPath: {{ .MountPath }}
          subPath: {{ .SubPath }}
        {{- end }}
      volumes:
      {{- range .Meta.SecretVolumes }}
      - name: {{ .Name }}
        secret:
          secretName: {{ .SecretName }}
          items:
          - key: {{ .Key }}
            path: {{ .SubPath }}
      {{- end }}
"#;

const RAY_SERVICE: &str = r#"apiVersion: ray.io/v1
kind: RayService
metadata:
  name: {{ .Meta.Name }}
  namespace: {{ .Meta.Namespace }}
spec:
  serveConfigV2: |
{{ .Workload.Serveconfig | indent 4 }}
  rayClusterConfig:
    headGroupSpec:
      rayStartParams:
        dashboard-host: "0.0.0.0"
      template:
        spec:
          containers:
          - name: ray-head
            image: {{ .Meta.Image }}
            ports:
            - {name: serve, containerPort: 8000}
    workerGroupSpecs:
    - groupName: {{ printf "%s-gpus" .Meta.User }}
      replicas: {{ .Scheduling.CalculatedReplicas }}
      minReplicas: {{ .Scheduling.CalculatedReplicas }}
      maxReplicas: {{ mul 4 .Scheduling.CalculatedReplicas }}
      rayStartParams: {}
      template:
        spec:
          containers:
          - name: llm
            image: {{ .Meta.Image }}
            {{- with .Custom.extra }}
            env:
            - {name: EXTRA, value: {{ .text | quote }}}
            {{- end }}
            resources:
              limits:
                cpu: "{{ mul .Scheduling.CalculatedGPUsPerReplica 4 }}"
                memory: "{{ mul .Scheduling.CalculatedGPUsPerReplica 32 }}Gi"
                amd.com/gpu: {{ .Scheduling.CalculatedGPUsPerReplica }}
"#;

/// Does what every line of an answer says: `  line 4: old  →  new`. Returns
/// how many there were.
fn follow(sandbox: &Sandbox, answer: &Outcome) -> usize {
    let file = sandbox.path("w/template");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut done = 0;
    for said in answer.stderr.lines() {
        let Some((number, change)) = said
            .strip_prefix("  line ")
            .and_then(|said| said.split_once(": "))
        else {
            continue;
        };
        let (written, instead) = change.split_once("  →  ").expect("what to write instead");
        let (written, at) = (written.trim(), number.parse::<usize>().unwrap() - 1);
        // A block of one line is written in two.
        let written = match written.strip_prefix("| ") {
            Some(value) => {
                assert_eq!(lines[at + 1].trim(), value);
                lines[at + 1] = String::new();
                "|"
            }
            None => written,
        };
        assert!(lines[at].contains(written), "{said}\n{}", lines[at]);
        lines[at] = lines[at].replacen(written, instead, 1);
        done += 1;
    }
    std::fs::write(file, lines.join("\n") + "\n").unwrap();
    done
}

/// Follows the answers until the template is taken. Returns how many lines
/// each answer had, and what the template makes.
fn port(template: &str, arguments: &[&str]) -> (Vec<usize>, Outcome) {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "exec serve\n");
    sandbox.write("w/__init__.py", "x = 1\n");
    sandbox.write("w/serveconfig", "applications:\n- import_path: app:x\n");
    sandbox.write(
        "w/env",
        "envVars:\n- {name: QUOTED, value: 'a \"b\": c'}\n- fromSecret: {name: TOKEN, secret: hf, key: token}\n\
         - mountSecret: {name: FILE, secret: key, key: json, path: /etc/own/key.json}\n",
    );
    sandbox.write("w/template", template);
    let command = [
        &["serve", "-p", "w", "-i", "a/b:1", "-g", "16", "-d"],
        arguments,
    ]
    .concat();
    let mut answers = Vec::new();
    loop {
        let outcome = sandbox.kaiwo(&command);
        if outcome.code == 0 {
            return (answers, outcome);
        }
        let done = follow(&sandbox, &outcome);
        assert!(done > 0 && answers.len() < 3, "{}", outcome.stderr);
        answers.push(done);
    }
}

#[test]
fn a_deployment_is_ported_line_by_line() {
    let (answers, outcome) = port(DEPLOYMENT, &["--image-pull-secret=pull"]);
    // Every action; then the quotes that are too many.
    assert_eq!(answers, [DEPLOYMENT.matches("{{").count(), 2]);
    let deployment = outcome.document("Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
    assert_eq!(container["image"], "a/b:1");
    assert_eq!(container["command"][2], "sh /workload/app/entrypoint");
    assert_eq!(container["env"][0]["value"], "a \"b\": c");
    assert_eq!(
        container["env"][1]["valueFrom"]["secretKeyRef"]["name"],
        "hf"
    );
    assert_eq!(container["resources"]["limits"]["cpu"], "32");
    assert_eq!(container["resources"]["limits"]["memory"], "64Gi");
    assert_eq!(container["volumeMounts"][0]["subPath"], "key.json");
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "key");
}

#[test]
fn a_ray_service_is_ported_line_by_line() {
    let arguments = ["--ray", "--set=extra.text=it's"];
    let (answers, outcome) = port(RAY_SERVICE, &arguments);
    // Then the block around the configuration of Ray Serve.
    assert_eq!(answers, [RAY_SERVICE.matches("{{").count(), 1]);
    let service = outcome.document("RayService");
    assert_eq!(
        service["spec"]["serveConfigV2"],
        "applications:\n- import_path: app:x\n"
    );
    let workers = &service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0];
    assert_eq!(workers["groupName"], "alice-gpus");
    assert_eq!(workers["maxReplicas"], 8);
    let container = &workers["template"]["spec"]["containers"][0];
    assert_eq!(container["env"][0]["value"], "it's");
    assert_eq!(container["resources"]["limits"]["memory"], "256Gi");
}
