package programs

import "slices"

// NZ are the programs from n to z.
var NZ = slices.Concat(programsNZ, storageNZ, networkNZ)
