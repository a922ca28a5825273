package language_test

import (
	"fmt"

	"ironwrap/filters"
	"ironwrap/policy/review/language"
)

// set is the set of a pattern that is known to be one.
func set(pattern string) language.Word {
	w, err := language.Pattern(pattern)
	if err != nil {
		panic(err)
	}
	return w
}

func ExamplePattern() {
	w, err := language.Pattern(`/dev/(?!.*/\.\.).*`)
	if err != nil {
		panic(err)
	}
	up, _ := w.Contains("/dev/x/../../etc/shadow")
	also, _ := w.Contains("/dev/../etc/shadow")
	fmt.Println(up, also)
	// Output: false true
}

func ExampleText() {
	w := language.Text("-9", "-HUP")
	n, finite, _ := w.Size()
	fmt.Println(n, finite)
	// Output: 2 true
}

func ExampleChars() {
	w := language.Chars("+-").Then(set(`\d`))
	words, _ := w.First(3)
	fmt.Println(words)
	// Output: [-1 -2 -3]
}

func ExampleAnyWord() {
	w := language.AnyWord()
	line, _ := w.Contains("two\nlines")
	nul, _ := w.Contains("\x00")
	fmt.Println(line, nul)
	// Output: true false
}

func ExamplePrefix() {
	w := set(`--[a-z-]+(=.*)?`).And(language.Prefix("--log-config"))
	word, _, _ := w.Shortest()
	fmt.Println(word)
	// Output: --log-config
}

func ExampleWord_Within() {
	w := set(`[ab]*a[ab]{30}`)
	_, _, err := w.Within(1000).Size()
	fmt.Println(err)
	// Output: pattern too large: what it can match was not found out within bounds
}

func ExampleWord_Then() {
	w := language.Text("/etc/").Then(set("[a-z]{3}"))
	n, _, _ := w.Size()
	fmt.Println(n)
	// Output: 17576
}

func ExampleWord_Or() {
	w := language.Text("start").Or(language.Text("stop"), set("re(start|load)"))
	words, _ := w.First(10)
	fmt.Println(words)
	// Output: [stop start reload restart]
}

func ExampleWord_Star() {
	w := language.Text("../").Star().Then(language.Text("etc/shadow"))
	ok, _ := w.Contains("../../../etc/shadow")
	fmt.Println(ok)
	// Output: true
}

func ExampleWord_And() {
	// Can what the pattern allows leave the directory?
	up := language.AnyWord().Then(language.Text("/../")).Then(language.AnyWord())
	word, ok, _ := set(`/var/lib/[^;]*\.conf`).And(up).Shortest()
	fmt.Println(word, ok)
	// Output: /var/lib/../.conf true
}

func ExampleWord_Minus() {
	// What does the dot allow besides?
	word, ok, _ := set(`a.b`).Minus(language.Text("a.b")).Shortest()
	fmt.Println(word, ok)
	// Output: axb true
}

func ExampleWord_Not() {
	word, ok, _ := set(`[^/]*`).Not().Shortest()
	fmt.Println(word, ok)
	// Output: / true
}

func ExampleWord_Contains() {
	ok, err := set(`(?i)add`).Contains("ADD")
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleWord_Empty() {
	empty, err := set(`/etc/(?!\.\.).*`).And(language.Prefix("/etc/../")).Empty()
	fmt.Println(empty, err)
	// Output: true <nil>
}

func ExampleWord_Shortest() {
	word, ok, err := set(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`).Shortest()
	fmt.Println(word, ok, err)
	// Output: aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa true <nil>
}

func ExampleWord_Subset() {
	ok, err := set(`[a-z]+`).Subset(set(`\w*`))
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleWord_Equal() {
	ok, err := set(`(a|b)*`).Equal(set(`(a*b*)*`))
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleWord_Size() {
	n, finite, err := set(`eth[0-3](\.\d\d?)?`).Size()
	fmt.Println(n, finite, err)
	// Output: 444 true <nil>
}

func ExampleWord_First() {
	words, err := set(`tap[0-9a-f]*`).First(3)
	fmt.Println(words, err)
	// Output: [tap tapa tapb] <nil>
}

func ExampleLine() {
	l := language.Line(language.Text("ip"), set("link|addr"), language.AnyWord())
	ok, _ := l.Contains("ip", "link", "")
	few, _ := l.Contains("ip", "link")
	fmt.Println(ok, few)
	// Output: true false
}

func ExampleAnyLine() {
	l := language.Line(language.Text("dd")).Then(language.AnyLine())
	ok, _ := l.Contains("dd", "if=/dev/sda")
	fmt.Println(ok)
	// Output: true
}

func ExampleLines_Then() {
	l := language.Line(language.Text("nice")).Then(language.Line(language.Text("ls")))
	lines, _ := l.First(2)
	fmt.Println(lines)
	// Output: [[nice ls]]
}

func ExampleLines_Or() {
	l := language.Line(language.Text("ls")).Or(language.Line(language.Text("ls"), language.Text("-l")))
	lines, _ := l.First(3)
	fmt.Println(lines)
	// Output: [[ls] [ls -l]]
}

func ExampleLines_Star() {
	l := language.Line(language.Text("-m"), language.Prefix("")).Star()
	ok, _ := l.Contains("-m", "tcp", "-m", "state")
	odd, _ := l.Contains("-m", "tcp", "-m")
	fmt.Println(ok, odd)
	// Output: true false
}

func ExampleLines_And() {
	// Is there a command that begins with these words, and ends with those?
	begins := language.Line(language.Text("ip"), language.Text("netns")).Then(language.AnyLine())
	ends := language.AnyLine().Then(language.Line(language.Text("sh"), set("-c?")))
	line, ok, _ := begins.And(ends).Shortest()
	fmt.Println(line, ok)
	// Output: [ip netns sh -] true
}

func ExampleLines_Within() {
	_, err := language.Line(set(`[ab]*a[ab]{30}`)).Within(1000).First(1)
	fmt.Println(err)
	// Output: pattern too large: what it can match was not found out within bounds
}

func ExampleLines_Contains() {
	ok, err := language.Line(set(`\d+`)).Star().Contains("1", "22", "x")
	fmt.Println(ok, err)
	// Output: false <nil>
}

func ExampleLines_Empty() {
	empty, err := language.Line(set("a+")).And(language.Line(set("b+"))).Empty()
	fmt.Println(empty, err)
	// Output: true <nil>
}

func ExampleLines_Shortest() {
	line, ok, err := language.Line(language.Text("kill"), set("-9|-HUP"), set("[1-9][0-9]*")).Shortest()
	fmt.Println(line, ok, err)
	// Output: [kill -9 1] true <nil>
}

func ExampleLines_Subset() {
	ok, err := language.Line(language.Text("ls"), set("-[al]")).Subset(language.Line(language.Text("ls")).Then(language.AnyLine()))
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleLines_Equal() {
	one := language.Line(language.Text("a"))
	ok, err := one.Then(one.Star()).Equal(one.Star().Then(one))
	fmt.Println(ok, err)
	// Output: true <nil>
}

func ExampleLines_First() {
	lines, err := language.Line(language.Chars("ab")).Star().First(4)
	fmt.Println(lines, err)
	// Output: [[] [a] [b] [a a]] <nil>
}

func ExampleLines_Minus() {
	// What does the new policy allow that the old one did not?
	old := language.Line(language.Text("tee"), set("/var/lib/nova/[a-z]+"))
	now := language.Line(language.Text("tee"), set("/var/lib/nova/.+"))
	line, ok, _ := now.Minus(old).Shortest()
	fmt.Printf("%q %v\n", line, ok)
	// Output: ["tee" "/var/lib/nova/1"] true
}

func ExampleLines_After() {
	l := language.Line(language.Text("nice")).Then(language.AnyLine())
	rest, _, _ := l.After("nice", "-n").And(language.Line(set(`\d+`))).Shortest()
	fmt.Println(rest)
	// Output: [1]
}

func ExampleOptions() {
	flag := language.Line(language.Text("-v"))
	file := language.Line(language.Text("-o"), language.AnyWord())
	l := language.Options(flag.Or(file), language.Line(set(".*")))
	for _, line := range [][]string{{"-o", "x", "-v", "y"}, {"y", "-v"}, {"-x"}, {"--", "-x"}} {
		ok, _ := l.Contains(line...)
		fmt.Println(line, ok)
	}
	// Output:
	// [-o x -v y] true
	// [y -v] false
	// [-x] false
	// [-- -x] true
}

func ExamplePermuted() {
	l := language.Permuted(language.Line(language.Text("-v")), language.Line(language.AnyWord()))
	ok, _ := l.Contains("y", "-v")
	fmt.Println(ok)
	// Output: true
}

func ExampleGrammar() {
	// env NAME=VALUE... PROGRAM...
	var g language.Grammar
	loads, program := g.Place(), g.Place()
	g.Word(0, set(`[^=]+=.*`), 0)
	g.Word(0, language.Prefix("LD_PRELOAD="), loads)
	g.Word(loads, set(`[^=]+=.*`), loads)
	g.Word(loads, set(`[^=]+`), program)
	g.Line(program, language.AnyLine(), program)
	code := language.Line(language.Text("env")).Then(g.Lines(program))

	f, err := filters.New("RegExpFilter, env, root, env, [A-Z_]+=.*, ls")
	if err != nil {
		panic(err)
	}
	allowed, _ := language.Of(f)
	line, ok, err := allowed.And(code).Shortest()
	fmt.Println(line, ok, err)
	// Output: [env LD_PRELOAD= ls] true <nil>
}

func ExampleOf() {
	f, err := filters.New("EnvFilter, env, root, LANG=C, TZ=, date")
	if err != nil {
		panic(err)
	}
	l, exact := language.Of(f)
	line, _, _ := l.Shortest()
	fmt.Println(line, exact)
	// Output: [LANG=C TZ= date] true
}

func ExampleBehind() {
	nice, err := filters.New(`ChainingRegExpFilter, nice, root, nice, -n, \d+`)
	if err != nil {
		panic(err)
	}
	dd, err := filters.New("CommandFilter, /bin/dd, root")
	if err != nil {
		panic(err)
	}
	l, exact := language.Behind(nice, dd)
	line, _, _ := l.Shortest()
	fmt.Println(line, exact)
	// Output: [nice -n 1 dd] true
}
