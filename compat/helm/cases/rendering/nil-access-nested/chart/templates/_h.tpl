{{ define "a" }}{{ include "b" . }}{{ end }}

{{ define "b" }}
 x {{ .Values.x.y }}{{ end }}