package lint

import "slices"

// rules are all there are, in the order of the documentation.
var rules = slices.Concat(fileRules, keyRules, lineRules, programRules, deadRules, overlapRules, patternRules, powerRules, argumentRules, pathRules, metricsRules, sandboxRules, privsepRules, labelRules, sudoRules, sudoSettingRules, acceptedRules)
