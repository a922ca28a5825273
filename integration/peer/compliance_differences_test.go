package peer

// intendedDifferences are all of them: the attempt, what comes of it with the peer,
// what with ironwrap, and why.
var intendedDifferences = map[string]intendedDifference{
	"A1/path as typed, below ip netns exec":    {evilAsRoot, itRefused(99), nestedIsResolved},
	"A1/path as typed, below nice":             {evilAsRoot, itRefused(99), nestedIsResolved},
	"A1/path as typed, for a leaf with a path": {evilAsRoot, itRefused(99), nestedIsResolved},
	"A1/relative path":                         {evilAsRoot, itRefused(99), nestedIsResolved},

	"A2/PATH of the caller, below nice":             {evilAsRoot, itPrinted("0"), nestedIsResolved},
	"A2/PATH of the caller, below ip netns exec":    {evilAsRoot, itPrinted("0"), nestedIsResolved},
	"A2/PATH of the caller, for a leaf with a path": {evilAsRoot, itPrinted("0"), nestedIsResolved},

	"A3/word of a PathFilter below nice": {itPrinted("{dir}/images/../images/f"), itPrinted("{dir}/images/f"),
		"all that a filter makes of a command holds for a nested one too"},

	"A4/namespace named net":            {evilAsRoot, itRefused(99), ipIsParsed},
	"A4/namespace named netn":           {evilAsRoot, itRefused(99), ipIsParsed},
	"A4/two dashes":                     {evilAsRoot, itRefused(99), ipIsParsed},
	"A5/-b":                             {evilAsRoot, itRefused(99), noBatch},
	"A5/-batch":                         {evilAsRoot, itRefused(99), noBatch},
	"A5/--batch":                        {evilAsRoot, itRefused(99), noBatch},
	"A5/-force -batch":                  {evilAsRoot, itRefused(99), noBatch},
	"A5/standard input":                 {evilAsRoot, itRefused(99), noBatch},
	"A6/vrf exec":                       {evilAsRoot, itRefused(99), "ip vrf exec runs a command, which an IpFilter never allows"},
	"A6/vrf e":                          {evilAsRoot, itRefused(99), "ip vrf exec runs a command, which an IpFilter never allows"},
	"A7/monitor":                        {itPrinted("ip netns monitor"), itRefused(99), onlyDocumented},
	"A7/set":                            {itRan, itRefused(99), onlyDocumented},
	"A7/attach":                         {itPrinted("ip netns attach red 1"), itRefused(99), onlyDocumented},
	"A7/identify":                       {itPrinted("ip netns identify 1"), itRefused(99), onlyDocumented},
	"A7/pids":                           {itRan, itRefused(99), onlyDocumented},
	"A7/list-id":                        {itRan, itRefused(99), onlyDocumented},
	"A7/-all netns delete, with a name": {itRan, itRefused(99), onlyDocumented},
	"A7/-all netns delete":              {itRan, itRefused(99), onlyDocumented},

	"A8/path to another process's namespace": {itPrinted("lo               DOWN           00:00:00:00:00:00 <LOOPBACK> "), itRefused(99),
		"ip takes a name with a slash for a path, so that a name may have none"},
	"A9/namespace named e": {itRefused(99), itRan, ipIsParsed},
	"A9/full path": {itRefused(99), itPrinted("blue"),
		"a program may be called by the path that its filter has, as with every other class"},
	"A11/library from IP_LIB_DIR":        {"the caller's file was made by uid 0", "ended with status 2", cleanEnvironment},
	"A12/directory whose name goes on":   {itPrinted("secret"), itRefused(99), "what lies below a directory is decided by whole components"},
	"A13/dots through a directory apart": {itPrinted("image"), itRefused(99), "there and back would tell which directories there are"},
	"A14/base that is a link":            {itRefused(99), itPrinted("image"), "the base is resolved too, or it would allow nothing at all"},
	"A14/base below a link":              {itRefused(99), itPrinted("image"), "the base is resolved too, or it would allow nothing at all"},
	"A16/relative word":                  {itPrinted("image"), itRefused(99), "what a relative path means is for the caller to choose"},
	"A16/empty word":                     {itPrinted("{home}"), itRefused(99), "what a relative path means is for the caller to choose"},
	"A17/alternation":                    {itPrinted("start --evil"), itRefused(99), "a pattern stands for the whole word, in each of its branches"},
	"A18/newline at the end":             {itPrinted("stop\n"), itRefused(99), "a pattern stands for the whole word, its last newline too"},
	"A19/Arabic-Indic digit":             {itPrinted("٣"), itRefused(99), asciiClasses},
	"A19/full-width digit":               {itPrinted("３"), itRefused(99), asciiClasses},
	"A22/pattern that backtracks": {"takes many times as long for 25 letters as for 5", "takes as long for 25 letters as for 5",
		"a caller must not be able to have root compute for hours"},

	"A25/other arguments than the filter has": {evilAsRoot, itRefused(99), "patterns behind the program of an EnvFilter are enforced, not ignored"},
	"A25/a user behind the program":           {itPrinted("x"), itRefused(99), "patterns behind the program of an EnvFilter are enforced, not ignored"},
	"A25/more arguments than the filter has": {itPrinted("1"), itRefused(99),
		"patterns behind the program of an EnvFilter are enforced, not ignored"},
	"A26/other value than the filter has":                 {itPrinted("anything"), itRefused(99), "the value that an EnvFilter has is enforced, not ignored"},
	"A28/env before a command that another filter allows": {itPrinted("0"), itRefused(99), "a filter that does not match changes nothing for those after it"},
	"A30/empty value": {itPrinted("from the caller"), itRan,
		"an empty value sets the variable to nothing; it does not keep the caller's"},

	"A31/id that comes to mean another process": {"another process had the id, and was killed", "another process has the id, and lives",
		"the process is held before it is looked at, and the signal goes to what is held"},
	"A32/other file at the same path in another mount namespace": {itKilled, itRefused(99), fileDecides},
	"A33/program removed, name forged":                           {itKilled, itRefused(99), "what a process says of itself is never believed"},
	"A33/program not to be seen here, name forged":               {itKilled, itRefused(99), "what a process says of itself is never believed"},
	"A33/program of the caller's, removed":                       {itKilled, itRefused(99), lastName},
	"A33/program removed, in another mount namespace":            {itKilled, itRefused(99), lastName},
	"A33/program renamed by rpm, of the caller's":                {itKilled, itRefused(99), lastName},
	"A33/program renamed, not by rpm, and removed":               {itKilled, itRefused(99), "what a process says of itself is never believed"},
	"A33/program renamed by rpm, and there still": {itRefused(99), itKilled,
		"it is the filter's program, before the upgrade: root's file, in its directory, under the name that rpm gives"},
	"A34/program whose name says that it is deleted": {itKilled, itRefused(99), fileDecides},
	"A35/program removed, name that leads nowhere": {itCrashed, itRefused(99),
		"what a process says of itself is never believed, nor even looked at"},
	"A36/plus sign":               {itKilled, itRefused(99), plainID},
	"A36/blank before":            {itKilled, itRefused(99), plainID},
	"A36/newline before":          {itKilled, itRefused(99), plainID},
	"A36/zeros before":            {itKilled, itRefused(99), plainID},
	"A36/underscore":              {"ended with status 1", itRefused(99), plainID},
	"A36/Arabic-Indic digits":     {"ended with status 1", itRefused(99), plainID},
	"A37/name that PATH leads to": {itKilled, itRefused(99), "a name is looked for in exec_dirs, never in the caller's PATH"},

	"A38/logging configuration of the caller's": {evilAsRoot, itRefused(99), privsepIsPinned},
	"A38/log file":                         {itPrinted("--log-file {dir}/planted " + legitimateCall), itRefused(99), privsepIsPinned},
	"A38/option behind an equals sign":     {itPrinted("--log-file={dir}/planted " + legitimateCall), itRefused(99), privsepIsPinned},
	"A38/context of no service":            {itPrinted("--privsep_context os.path --privsep_sock_path /n"), itRefused(99), privsepIsPinned},
	"A38/configuration of the caller's":    {itPrinted("--config-file {home}/x.conf " + legitimateCall), itRefused(99), privsepIsPinned},
	"A38/configuration behind the context": {itPrinted(legitimateCall + " --config-file {dir}/rootwrap.conf"), itRefused(99), privsepIsPinned},
	"A38/no arguments":                     {itRan, itRefused(99), privsepIsPinned},

	"A39/blank after a comma, and a directory of that name": {evilAsRoot, itPrinted("0"), blanksAreCut},
	"A39/blank after a comma, and none":                     {itRefused(96), itPrinted("0"), blanksAreCut},
	"A40/blank after a comma, and a directory of that name": {evilAsRoot, itRefused(99), blanksAreCut},
	"A40/blank after a comma, and none":                     {itRefused(99), itPrinted("0"), blanksAreCut},
	"A40/relative path":                                     {evilAsRoot, itRefused(97), onlyAbsolute},
	"A40/directory of the caller's":                         {evilAsRoot, itRefused(97), onlyRoots},
	"A41/dot in exec_dirs":                                  {evilAsRoot, itRefused(97), onlyAbsolute},
	"A41/nothing in exec_dirs":                              {evilAsRoot, itRefused(97), onlyAbsolute},
	"A41/directory of the caller's in exec_dirs":            {evilAsRoot, itPrinted("0"), onlyRoots},
	"A41/directory that all may write to in exec_dirs":      {evilAsRoot, itPrinted("0"), onlyRoots},
	"A41/program of the caller's in a filter":               {evilAsRoot, itRefused(96), onlyRoots},
	"A41/program of the caller's in a directory of root's":  {evilAsRoot, itRefused(96), onlyRoots},
	"A42/no exec_dirs": {evilAsRoot, itPrinted("0"),
		"without exec_dirs programs are looked for in the system's directories, never in the caller's PATH"},
	"A43/rootwrap.conf that all may write": {evilAsRoot, itRefused(97), onlyRoots},
	"A43/rootwrap.conf of the caller's":    {evilAsRoot, itRefused(97), onlyRoots},
	"A43/files of root's in a directory of the caller's, with strict_paths": {itPrinted("0"), itRefused(97),
		"strict_paths: not even what root alone has written is followed through a directory of somebody else's"},
	"A43/link to rootwrap.conf in a directory of the caller's": {itPrinted("0"), itRefused(97), onlyRoots},
	"A43/filter file of the caller's":                          {evilAsRoot, itRefused(97), onlyRoots},
	"A43/filter file that its group may write":                 {evilAsRoot, itRefused(97), onlyRoots},
	"A43/link to a filter file of the caller's":                {evilAsRoot, itRefused(97), onlyRoots},
	"A43/filter directory of the caller's":                     {evilAsRoot, itRefused(97), onlyRoots},
	"A44/dpkg-old":                                             {itPrinted("0"), itRefused(99), onlyFilters},
	"A44/tilde":                                                {itPrinted("0"), itRefused(99), onlyFilters},
	"A44/bak":                                                  {itPrinted("0"), itRefused(99), onlyFilters},
	"A45/file without filters":                                 {itCrashed, itPrinted("0"), faultStaysSmall},
	"A45/file with another section":                            {itCrashed, itPrinted("0"), faultStaysSmall},
	"A45/too few fields":                                       {itCrashed, itPrinted("0"), faultStaysSmall},
	"A45/function of the peer's module as a class":             {itCrashed, itPrinted("0"), faultStaysSmall},
	"A46/two users in two files": {itPrinted("0"), itPrinted("65534"),
		"files are read in the order of their names, not in that of the file system"},
	"A47/link of the caller's": {itPrinted("secret"), itRefused(99),
		"who decides what the path leads to would read any file"},
	"A47/file that is not there, in the caller's directory": {"ended with status 1", itRefused(99),
		"who can make the file can make a link to any other"},
	"A47/file of the caller's": {itPrinted("text"), itRefused(99),
		"who decides what the path leads to would read any file; here it is the caller"},

	"B1/groups of nobody": {itPrinted("uid=65534(nobody) gid=0(root) groups=0(root)"), itPrinted("uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)"),
		ownGroups},
	"B1/groups of nobody, started with others": {itPrinted("0 4 6 42"), itPrinted("65534"), ownGroups},
	"B1/file that root's group may read":       {itPrinted("secret"), "ended with status 1", ownGroups},
	"B1/file that group shadow may read":       {itPrinted("secret"), "ended with status 1", ownGroups},
	"B2/environment through sudo": {"the command got DISPLAY XAUTHORITY KRB5CCNAME LC_TIME LS_COLORS PS1", "the command got nothing of it",
		cleanEnvironment},
	"B2/environment of a unit":                         {"the command got BASH_ENV IFS PERL5OPT X", "the command got nothing of it", cleanEnvironment},
	"B2/who called sudo":                               {"the command got the caller's name", "the command got nothing of it", cleanEnvironment},
	"B2/LD_PRELOAD of a unit":                          {"the caller's file was made by uid 0", itPrinted("0"), cleanEnvironment},
	"B3/PYTHONPATH of a unit":                          {evilAsRoot, itPrinted("0"), "no file of the caller's has a part in starting a static program"},
	"B3/PYTHONPATH of a unit, for a command in Python": {evilAsRoot, itPrinted("fine"), cleanEnvironment},

	"B4/soft limit of the file size":                            {"the file has 8192 bytes", "the file has 20480 bytes", wholeOrNothing},
	"B4/hard limit of the file size that cannot be raised":      {"the file has 8192 bytes", itRefused(97) + ", and the file is as it was", wholeOrNothing},
	"B4/hard limit of the processor time that cannot be raised": {itPrinted("0"), itRefused(97), wholeOrNothing},
	"B4/umask":           {"the file has mode 0", "the file has mode 644", freshProcess},
	"B4/ignored signals": {"hangup, user defined signal 1, terminated", "none", freshProcess},
	"B4/blocked signals": {"hangup, user defined signal 1, terminated", "none", freshProcess},
	"B4/nice value":      {"the nice value is the caller's", "the nice value is 0", freshProcess},
	"B4/oom_score_adj":   {itPrinted("900"), itPrinted("0"), freshProcess},
	"B4/interval timer":  {"ended with status 142", itRan, freshProcess},

	"B5/typing into root's shell": {"the shell of uid 0 ran what nobody typed", "typing is not permitted",
		"a command of another user's must not type into root's shell"},
	"B6/^Z while the ids change":            {"stopped on its way", "not stopped", "who can stop the program half-way can change what it has looked at"},
	"B6/^Z while the configuration is read": {"stopped on its way", "not stopped", "who can stop the program half-way can change what it has looked at"},
	"B7/process of the command": {"the command is another process than the one that was started", "the command is the process that was started",
		"ironwrap becomes the command, so that a signal to it is one to the command"},
	"B7/killed half-way": {"the command lives on without a parent", "the command is gone too",
		"ironwrap becomes the command, so that a signal to it is one to the command"},
	"B8/standard input closed": {"ended with status 1", itPrinted("/dev/null"),
		"no file that the command opens may become its standard input, output or error"},
	"B8/standard output closed": {"the first file that the command opened is its standard output", itPrinted("/dev/null"),
		"no file that the command opens may become its standard input, output or error"},
	"B8/standard error closed": {"ended with status 1", itPrinted("/dev/null"),
		"no file that the command opens may become its standard input, output or error"},

	"B9/newline in a refused command": {"control characters in the system log and standard error", "no control character",
		"a caller must not be able to forge a record, nor to steer a terminal"},
	"B9/escape in a refused command": {"control characters in the system log and standard error", "no control character",
		"a caller must not be able to forge a record, nor to steer a terminal"},
	"B9/user of a unit":    {"the record names whom the environment names", "the record names root", "who called is for the kernel to say"},
	"B9/user through sudo": {"the record names root", "the record names the caller", "who called is for the kernel and sudo to say"},

	"B10/words that no datagram holds": {"it ran, and was not recorded", "it ran, and was recorded with length and SHA-256",
		"length must not be a way around the record"},
	"B10/audit_required, and no system log": {"it ran", itRefused(97), "audit_required: what cannot be recorded does not run"},
	"B11/command killed by a signal": {"ended with status 137", "ended by signal 9",
		"ironwrap has become the command, and no parent is left to translate"},

	"B12/program that the user may not execute": {itCrashed, itRefused(96), cleanRefusal},
	"B12/program that is none":                  {itCrashed, itRefused(96), cleanRefusal},
	"B12/interpreter that is not there":         {itCrashed, itRefused(96), cleanRefusal},
	"B12/directory as the program":              {itCrashed, itRefused(96), cleanRefusal},
	"B12/user that is not there":                {itCrashed, itRefused(97), cleanRefusal},
	"B12/filter with too few fields":            {itCrashed, itPrinted("0"), faultStaysSmall},
	"B12/filter with no field":                  {itCrashed, itPrinted("0"), faultStaysSmall},
}

// Reasons that more than one difference has.
const (
	nestedIsResolved = "a nested command is the program that its own filter resolves to, by absolute path, whatever was typed"
	ipIsParsed       = "the words are read as ip reads them, and not searched for two that look like netns exec"
	noBatch          = "commands in a file are seen by no filter"
	onlyDocumented   = "of ip netns the documentation allows list, add and delete"
	cleanEnvironment = "the environment is built from nothing: a variable of the caller's may load code"
	asciiClasses     = "classes are those of ASCII: what comes behind may read other digits otherwise, or not at all"
	fileDecides      = "what a process runs is decided by the file, not by the text of a link"
	lastName         = "of a file that has no name any more the last is believed only where the file is root's, and from the file system of the program"
	plainID          = "a process id is written as the kernel prints it: no other reader can take it for another"
	privsepIsPinned  = "the implicit filter allows what oslo.privsep asks for, and no other option, context or configuration"
	blanksAreCut     = "blanks around a path in a list do not belong to it"
	onlyAbsolute     = "a relative path would be the caller's to choose"
	onlyRoots        = "only what root alone can write is followed"
	onlyFilters      = "only *.filters are read: filters that were taken away stay away"
	faultStaysSmall  = "a fault in one filter or file is named, and leaves the others as they are"
	ownGroups        = "the command has the groups of its user, and none of root's"
	wholeOrNothing   = "a caller's limit must not cut a command of root's off half-way"
	freshProcess     = "nothing that the caller set about the process reaches the command"
	cleanRefusal     = "a refusal is one line with a status of its own"
)

// leftAlike are attempts that one may take for weaknesses too, and of which the
// same comes with both programs: with the reason.
var leftAlike = map[string]string{
	"A13/swap after the check": "the command gets a path, and follows it by itself: what is promised is that the path is the resolved one. " +
		"Nothing short of handing over the open file can promise more, and not every program takes one; a directory that is the caller's is reported by check",
	"A15/option where any word passes":                "pass means any word, and deployed filters need it; reported by check",
	"A20/inner newline":                               "a dot means no newline in deployed filters too",
	"A21/two halves of a pattern":                     "the comma ends a field in deployed filters too; reported by check",
	"A23/shell with an open pattern":                  "the filter says so; reported by check",
	"A24/dots behind a directory":                     "the pattern says so; reported by check, with PathFilter as the remedy",
	"A24/dots that a lookahead misses":                "the pattern says so; reported by check, with PathFilter as the remedy",
	"A24/dot that was meant as one":                   "the pattern says so; reported by check",
	"A27/some of the variables":                       "deployed filters name exactly the variables that must be given",
	"A29/variable that makes a program run something": "the filter names it; reported by check",
	"A37/interpreter as the program":                  "the filter says so: many services are one program; reported by check",
	"A46/the same name twice":                         "the dialect of the files: first place, last value; reported by check",
	"A48/path, where the filter has a name":           "a name stands for one program, and a path may be another",
	"B11/status 99 of the command's":                  "the command's status is the caller's to see; the record tells the two apart",
	"B11/status 96 of the command's":                  "the command's status is the caller's to see; the record tells the two apart",
}

// testedElsewhere are rows that have no attempt here, because:
var testedElsewhere = map[string]string{
	"A10": daemons, // words that are not strings
	"C1":  daemons,
	"C2":  daemons,
	"C3":  daemons,
	"C4":  daemons,
	"C5":  daemons,
	"C6":  daemons,
	"C7":  daemons,
	"C8":  daemons,
	"C9":  daemons,
	"C10": daemons,
}

const daemons = "it takes the daemon's socket: shown by daemon_*_test.go"

// notPlayed is for attempts that are not made through ironwrap-call.
const notPlayed = "not played"

const clientsLimit = "a limit around the client is none around the daemon, whose the command is"

// callDifferences are what comes of an attempt through ironwrap-call where that is not
// what comes of it with ironwrap.
var callDifferences = map[string]struct{ got, why string }{
	"A31/id that comes to mean another process":                 {notPlayed, "the system call to be delayed is the daemon's"},
	"A36/every process":                                         {notPlayed, "the daemon is outside of the namespace that keeps the signal from the machine"},
	"A36/the caller's process group":                            {notPlayed, "as above"},
	"B4/hard limit of the file size that cannot be raised":      {"the file has 20480 bytes", clientsLimit},
	"B4/hard limit of the processor time that cannot be raised": {itPrinted("0"), clientsLimit},
	"B7/process of the command": {"the command is another process than the one that was started",
		"it is the daemon's; what the client gets, its command does"},
	"B6/^Z while the ids change":            {notPlayed, "no id changes in a process of the terminal's"},
	"B6/^Z while the configuration is read": {notPlayed, "nothing is read in a process of the terminal's"},
}
