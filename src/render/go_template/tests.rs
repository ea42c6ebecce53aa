use super::*;

fn written(template: &str) -> Vec<String> {
    find(template)
        .into_iter()
        .map(|found| found.written)
        .collect()
}

#[test]
fn what_tera_means_is_left_to_it() {
    for tera in [
        "a: {% raw %}{{ $labels.pod }}{% endraw %}",
        "a: {{ not Custom.debug }}",
        "a: {{ not (Custom.a and Custom.b) }}",
        "{# once {{ .Meta.Name }} #}",
        "a: {{ 'the .dot' ~ `$x` }}",
        "name: {{ Meta.Name }}",
        "{{ Meta.Name ~ \".x\" }}",
        "{{ Custom.default }}",
        "{{ Custom[\"a.b\"] }}",
        "{% if Meta.User %}{{ 0.5 }}{% endif %}",
        "{{ <resources pod={Scheduling.Worker}/> }}",
    ] {
        assert_eq!(find(tera), [], "{tera}");
    }
}

#[test]
fn actions_of_go_are_found() {
    for go in [
        "{{ .Meta.Name }}",
        "{{- .Custom.a.b -}}",
        "{{ $.Meta.Name }}",
        "{{ not .Custom.debug }}",
        "{{ if not $x }}",
        "{{- range $key, $value := .Custom.labels }}",
        "{{ $x := 1 }}",
        "{{ end }}",
        "{{/* why */}}",
        "{{ printf \"%s-x\" $name }}",
        "{{ add 1 (.Scheduling.CalculatedReplicas | mul 2) }}",
    ] {
        assert_eq!(written(go), [go]);
    }
}

#[test]
fn each_has_its_place() {
    let found = find("a: {{ .Meta.Name }}\nb: 1\nä: x{{ .Custom.x }}{{- end }}\n");
    let places = found.iter().map(|found| (found.line, found.column));
    assert_eq!(places.collect::<Vec<_>>(), [(1, 4), (3, 5), (3, 20)]);
}
