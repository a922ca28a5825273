package exposure

// ordered are programs whose words count by their order.
var ordered = []way{
	{Run, "find", "{file} … -exec {mine} … ; …", "-exec runs a program for each file (find(1))", ""},
	{Run, "find", "{file} … -execdir {mine} … ; …", "-execdir runs a program for each file (find(1))", ""},
	{Run, "find", "{file} … -exec {mine} … {} + …", "-exec runs a program for the files (find(1))", ""},
	{Run, "find", "{file} … -ok {mine} … ; …", "-ok runs a program for each file, if it is told y (find(1))", ""},
	{Destroy, "find", "{name} … -delete …", "-delete removes what it finds (find(1))", ""},
	{Destroy, "find", "{name} … -fprint {file} …", "-fprint overwrites a file (find(1))", ""},
	{Write, "find", "{name} … -fprintf {file} {any} …", "-fprintf writes a text of the caller's to a file (find(1))", ""},
}

// scripted are programs whose script stands behind an option, and others with rows more.
var scripted = []way{
	{Read, "chmod", "{seen} {file}", "it lets anybody read the file (chmod(1))", ""},
	{Run, "gsed", "-e {sed} {file}", "the command e runs a program (GNU sed's manual)", ""},
	{Write, "sed gsed", "-i -e {sedi} {file}", "-i rewrites the file (sed(1))", ""},
	{Read, "sed gsed", "-e {print} {file}", "it prints the file (sed(1))", ""},
}
