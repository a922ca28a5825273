package filters

import "testing"

func TestRegExp(t *testing.T) {
	for _, c := range []struct {
		definition string
		rows       []row
	}{
		{`RegExpFilter, /bin/ls, root, /bin/ls, /[a-z]+`, []row{
			{"/bin/ls /etc", ""},
			{"ls /etc", `does not match pattern "/bin/ls"`},
			{"/bin/ls /etc<n>", `"/etc\n" does not match`},
			{"/bin/ls /etc/x", "does not match"},
			{"/bin/ls", "1 word, not 2"},
			{"/bin/ls /etc /etc", "3 words, not 2"},
			{"", "1 word, not 2"},
		}},
		{`RegExpFilter, service, root, service, start|stop`, []row{
			{"service start", ""},
			{"service stop", ""},
			{"service start --evil", "3 words"},
			{"service startx", "does not match"}, // the peer takes it
			{"service xstop", "does not match"},
		}},
		{`RegExpFilter, dd, root, dd, of=/dev/(?!.*/\.\.).*`, []row{
			{"dd of=/dev/sda", ""},
			{"dd of=/dev/mapper/x", ""},
			{"dd of=/dev/x/../../etc/shadow", "does not match"},
			{"dd of=/dev/", ""},
			{"dd of=/dev/x<n>", "does not match"},
		}},
		{`RegExpFilter, sleep, root, sleep, \d+`, []row{
			{"sleep 10", ""},
			{"sleep ١٠", "does not match"},
			{"sleep １０", "does not match"},
			{"sleep ", "does not match"},
		}},
		// Two patterns, as to the peer: a comma ends one.
		{`RegExpFilter, x, root, x, [a-z]{1,3}`, []row{{"x ab", "2 words, not 3"}, {"x a{1 3}", ""}}},
		// A pattern that cannot be used refuses, when it comes to it, and says so.
		{`RegExpFilter, x, root, x, (`, []row{{"x (", `pattern "(" cannot be used: `}, {"y (", `does not match pattern "x"`}, {"x", "1 word,"}}},
		{`RegExpFilter, x, root`, []row{{"x", "1 word, not 0"}, {"", "1 word, not 0"}}},
		{`RegExpFilter, x, root, `, []row{{"", ""}, {"x", "does not match"}}},
	} {
		check(t, newFilter(t, c.definition), nil, c.rows)
	}
}
