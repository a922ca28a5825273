package programs

// groups are all grammars. Of a name that is in two of them the later counts.
var groups = [][]Program{
	prefixGrammars,
	coreGrammars,
	toolGrammars,
	programsNZ,
	storageNZ,
	networkNZ,
	programsAF,
	storageAF,
	networkAF,
	grammarsGM,
}
