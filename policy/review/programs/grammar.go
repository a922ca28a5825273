package programs

// groups are all grammars.
var groups = [][]Program{
	prefixGrammars,
	programsGrammars,
	storageGrammars,
	networkGrammars,
}
