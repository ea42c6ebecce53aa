//! Templates of the original kaiwo's services, which are answered with every place
//! that is to be written otherwise.

use kaiwo::render::go_template;

use crate::common::{Sandbox, checkout};

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

/// Returns the actions that an answer names, `  4:9: {{ … }}`, each of which stands
/// at that place of the template.
#[track_caller]
fn named(template: &str, arguments: &[&str]) -> usize {
    let sandbox = Sandbox::new();
    sandbox.write("w/entrypoint", "exec serve\n");
    sandbox.write("w/__init__.py", "x = 1\n");
    sandbox.write("w/serveconfig", "applications:\n- import_path: app:x\n");
    sandbox.write("w/template", template);
    let command = [
        &["serve", "-p", "w", "-i", "a/b:1", "-g", "16", "-d"],
        arguments,
    ]
    .concat();
    let answer = sandbox.kaiwo(&command);
    let answer = answer.exits(3).says("w/template is a Go template");
    let lines: Vec<&str> = template.lines().collect();
    let places = answer.stderr.lines().filter_map(|said| {
        let (place, written) = said.strip_prefix("  ")?.split_once(": ")?;
        let (line, column) = place.split_once(':')?;
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        assert!(lines[line - 1][column - 1..].starts_with(written), "{said}");
        Some(())
    });
    places.count()
}

#[test]
fn every_action_of_a_go_template_is_named() {
    assert_eq!(named(DEPLOYMENT, &[]), DEPLOYMENT.matches("{{").count());
    let actions = RAY_SERVICE.matches("{{").count();
    assert_eq!(named(RAY_SERVICE, &["--ray"]), actions);
}

/// Returns the first code of a cell of a table.
fn code(cell: &str) -> String {
    let code = cell.split('`').nth(1).expect("a cell has code");
    let code = code.replace("\\|", "|");
    match code.contains('{') {
        true => code,
        false => format!("{{{{ {code} }}}}"),
    }
}

#[test]
fn the_page_about_go_shows_what_is_found_and_how_tera_has_it() {
    let page = std::fs::read_to_string(checkout("docs/templates.md")).unwrap();
    let (_, tables) = page.split_once("## From the original").unwrap();
    let (_, constructs) = tables.split_once("| Go | Tera |").unwrap();
    let rows = constructs
        .lines()
        .skip(2)
        .take_while(|row| row.starts_with('|'));
    let mut shown = 0;
    for row in rows {
        let row = row.replace("\\|", "\u{1}");
        let cells: Vec<String> = row
            .split('|')
            .map(|cell| cell.replace('\u{1}', "|"))
            .collect();
        let (go, tera) = (code(&cells[1]), code(&cells[2]));
        assert!(!go_template::find(&go).is_empty(), "{go}");
        assert_eq!(go_template::find(&tera), [], "{tera}");
        shown += 1;
    }
    assert!(shown > 10, "the table is read: {shown}");
}
