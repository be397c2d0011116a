{{- define "plane.selector" -}}
app.kubernetes.io/name: muster-control-plane
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "plane.labels" -}}
{{ include "plane.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "plane.metadata" -}}
name: muster-control-plane
namespace: {{ .Release.Namespace }}
labels:
  {{- include "plane.labels" . | nindent 2 }}
{{- end }}

{{- define "plane.settings" -}}
MUSTER_GRPC_HOST: 0.0.0.0
MUSTER_ENROL_HOST: 0.0.0.0
MUSTER_WEB_HOST: 0.0.0.0
MUSTER_ADVERTISE: {{ .Values.advertise | default (printf "muster-control-plane.%s.svc" .Release.Namespace) | quote }}
MUSTER_NAMES: {{ join "," .Values.names | quote }}
MUSTER_WEB_NAMES: {{ .Values.web.names | default (list (printf "muster-control-plane-web.%s.svc" .Release.Namespace)) | join "," | quote }}
{{- range $name, $value := .Values.settings }}
MUSTER_{{ upper $name }}: {{ $value | quote }}
{{- end }}
{{- end }}
