package main

import (
	"io"

	"ironwrap/policy/review/exposure"
	"ironwrap/policy/review/exposure/page"
)

func auditHTML(w io.Writer, r exposure.Report) error { return page.Write(w, r, version) }
