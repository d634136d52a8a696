{{- define "library.name" }}name{{ end }}
