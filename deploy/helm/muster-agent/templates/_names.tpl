{{- define "agent.title" -}}
muster-agent-{{ required "name: as it was given to muster agents create" .Values.name }}
{{- end }}

{{- define "agent.selector" -}}
app.kubernetes.io/name: muster-agent
app.kubernetes.io/instance: {{ .Values.name }}
{{- end }}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "agent.metadata" -}}
name: {{ include "agent.title" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "agent.labels" . | nindent 2 }}
{{- end }}

{{- define "agent.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "agent.cluster" -}}
namespace = {{ .Release.Namespace | toJson }}
image = {{ include "agent.image" . | toJson }}
identity = {{ include "agent.title" . | toJson }}
{{ if .Values.image.pullPolicy -}}
pull_policy = {{ .Values.image.pullPolicy | toJson }}
{{ end -}}
{{ if and .Values.image.pullSecrets (not (regexMatch "(?m)^\\s*(\\[pod\\]|pod\\.)" .Values.settings)) -}}
pod.imagePullSecrets = [{{ range $place, $name := .Values.image.pullSecrets }}{{ if $place }}, {{ end }}{ "name" = {{ $name | toJson }} }{{ end }}]
{{ end -}}
{{ if .Values.settings }}
{{ .Values.settings }}
{{- end -}}
{{- end }}

{{- define "agent.policy" -}}
{{ .Values.policy | default (.Files.Get "files/policy.toml") }}
{{- end }}
