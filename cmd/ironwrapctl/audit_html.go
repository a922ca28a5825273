package main

import (
	"io"

	"ironwrap/policy/exposure"
	"ironwrap/policy/exposure/page"
)

func auditHTML(w io.Writer, r exposure.Report) error { return page.Write(w, r, version) }
