package pyre
var table []struct{pattern, arg string}
var slices0 []string
