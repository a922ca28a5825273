package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ironwrap/filters"
	"ironwrap/policy/review/accepted"
	"ironwrap/policy/review/fleet"
	"ironwrap/policy/review/lint"
)

func checkCommand() *cobra.Command {
	var format, failOn, sudoers, accepts, baseline string
	var ignore, users, roots []string
	var listRules bool
	c := &cobra.Command{
		Use:                   "check [--format text|json|sarif|prometheus|accepted] [--fail-on error|warning|note] [--accepted FILE] [--baseline FILE] [--sudoers FILE|none] [--user NAME] [--root DIR]... CONFIG...",
		DisableFlagsInUseLine: true,
		Short:                 "find what is wrong, dangerous or dead in configurations",
		Long: `Check reads each CONFIG (a rootwrap.conf) with its filters as the executor does,
and tells what the executor would refuse, what gives away more than it seems to,
and what has no effect. Every finding names its rule, file and line, and what to
do. "check --rules" lists the rules; docs/check.md has them with their reasons.

Who owns a file, which programs are there and which users exist is asked of this
machine. It takes no privilege but that of reading the files.

What sudo lets the users of CONFIG do past it is looked at too, with cvtsudoers(1):
in /etc/sudoers, which takes root, or in --sudoers FILE (also one that "cvtsudoers -f
json" wrote). The users are those whose lines name CONFIG, those of allow_users and
allow_groups, the service NAME of /etc/NAME/rootwrap.conf, and each --user. What
could not be read, or told, is a finding: sudoers-not-assessed.

Findings that --accepted FILE accepts, and those that --baseline FILE has, an earlier
report as JSON, are shown and do not count. --format accepted prints an entry for each
finding that is not accepted, to be filled in: docs/accepted.md describes the file.

With --root CONFIG is a path on the host that the tree at DIR was collected from, whoever
owns its files; both may be patterns. A tree does not tell who owns a file, what is
installed and what sudo allows: rules that ask for it are left out, and named. What is
found on several hosts is told once. --format prometheus writes numbers for the textfile
collector of Prometheus's node exporter. docs/fleet.md tells more.

exit status: 0 no finding at or above --fail-on, 1 findings, 2 no CONFIG could be
read, or wrong use.`,
		Example: `  ironwrapctl check /etc/nova/rootwrap.conf
  ironwrapctl check --fail-on error --format sarif /etc/*/rootwrap.conf >check.sarif
  ironwrapctl check --ignore executable-missing,reads-any-file /etc/cinder/rootwrap.conf
  ironwrapctl check --accepted accepted.yaml /etc/nova/rootwrap.conf
  ironwrapctl check --root '/srv/collected/*' '/etc/*/rootwrap.conf'
  ironwrapctl check --sudoers debian/nova-common.sudoers --user nova debian/rootwrap.conf`,
		Args: func(c *cobra.Command, args []string) error {
			if listRules {
				return takes()(c, args)
			}
			return needs("CONFIG")(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains([]string{"text", "json", "sarif", "prometheus", "accepted"}, format) {
				return fmt.Errorf("format %q is none of text, json, sarif, prometheus and accepted", format)
			}
			threshold, ok := lint.ParseSeverity(failOn)
			if !ok {
				return fmt.Errorf("--fail-on %q is neither error, warning nor note", failOn)
			}
			if listRules {
				return printRules(c.OutOrStdout(), format)
			}
			for _, id := range ignore {
				if !slices.ContainsFunc(lint.Rules(), func(r *lint.Rule) bool { return r.ID == id }) {
					return fmt.Errorf("--ignore %q is not a rule: ironwrapctl check --rules lists them", id)
				}
			}
			if err := noSudoers(roots, sudoers, users); err != nil {
				return err
			}
			all, err := members(roots, args)
			if err != nil {
				return err
			}
			beside, err := readSudoers(sudoers, users)
			if err != nil {
				return err
			}
			risks, err := readAccepted(accepts)
			if err != nil {
				return err
			}
			known, err := readKnown(baseline)
			if err != nil {
				return err
			}
			report := lint.CheckAll(targets(all), facts{profiles: profiles{}, sudoers: beside, accepted: risks})
			report.Findings = slices.DeleteFunc(report.Findings, func(f lint.Finding) bool { return slices.Contains(ignore, f.Rule.ID) })
			dir, err := os.Getwd()
			if err != nil {
				return err
			}
			identify(report.Findings, dir)
			for i, f := range report.Findings {
				report.Findings[i].Known = known[f.ID]
			}
			if err := (printer{all, dir, known != nil}).print(c.OutOrStdout(), format, report); err != nil {
				return err
			}
			switch {
			case report.Unusable == len(all):
				return status(2)
			case report.Worst() >= threshold:
				return status(1)
			}
			return nil
		},
	}
	c.Flags().StringVar(&format, "format", "text", "how to print: text, json, sarif (2.1.0), prometheus or accepted")
	c.Flags().StringVar(&failOn, "fail-on", "warning", "the least severity that makes the exit status 1: error, warning or note")
	c.Flags().StringVar(&accepts, "accepted", "", "what `FILE` accepts is shown and does not count")
	c.Flags().StringVar(&baseline, "baseline", "", "only what is new since the report in `FILE`, which is JSON, counts")
	c.Flags().StringSliceVar(&ignore, "ignore", nil, "rules that are left out: RULE,...")
	c.Flags().StringVar(&sudoers, "sudoers", "", "the sudoers file that stands beside CONFIG, instead of /etc/sudoers; none for not looking at any")
	c.Flags().StringSliceVar(&users, "user", nil, "a user whom CONFIG serves, besides those who are found: NAME,...")
	c.Flags().StringArrayVar(&roots, "root", nil, "CONFIG lies in the tree at `DIR`, which was collected from a host; may be given several times, or be a pattern")
	c.Flags().BoolVar(&listRules, "rules", false, "list the rules, and check nothing")
	words(c, "format", "text", "json", "sarif", "prometheus", "accepted")
	words(c, "fail-on", "error", "warning", "note")
	var ids []string
	for _, r := range lint.Rules() {
		ids = append(ids, r.ID)
	}
	words(c, "ignore", ids...)
	return c
}

// words has the shell complete the values of a flag.
func words(c *cobra.Command, flag string, values ...string) {
	// The error is for a flag that does not exist.
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

// printer is what a report is printed with: the configurations, the directory that files
// are named from, and whether there is a baseline.
type printer struct {
	all      []member
	dir      string
	compared bool
}

func (p printer) print(w io.Writer, format string, report lint.Report) error {
	switch format {
	case "json":
		return printJSON(w, p, report)
	case "sarif":
		return printSARIF(w, report, p.dir, p.compared, p.notAsked())
	case "prometheus":
		return fleet.Findings(w, p.counts(report))
	case "accepted":
		return accepted.Propose(w, unaccepted(report))
	}
	printText(w, p.told(report), colours(w))
	return nil
}

// unaccepted are the findings that nobody has accepted, and somebody may.
func unaccepted(report lint.Report) (risks []accepted.Risk) {
	for _, f := range report.Findings {
		if f.Accepted == nil && slices.Contains(lint.Acceptable(), f.Rule.ID) {
			risks = append(risks, f.Risk())
		}
	}
	return risks
}

// ruleJSON is one rule in the shape that scripts rely on.
type ruleJSON struct {
	ID       string `json:"id"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Help     string `json:"help"`
}

func printRules(w io.Writer, format string) error {
	switch format {
	case "sarif":
		return printer{dir: "/"}.print(w, format, lint.Report{})
	case "json":
		var list []ruleJSON
		for _, r := range lint.Rules() {
			list = append(list, ruleJSON{r.ID, r.Severity.String(), r.Title, r.Help})
		}
		return writeJSON(w, map[string]any{"version": 1, "rules": list})
	}
	for _, r := range lint.Rules() {
		if _, err := fmt.Fprintf(w, "%-8s %-27s %s\n", r.Severity, r.ID, r.Title); err != nil {
			return err
		}
	}
	return nil
}

// reportJSON is the report in the shape that scripts rely on.
type reportJSON struct {
	Version  int                 `json:"version"`
	Configs  []filters.Untrusted `json:"configs"`
	Unusable int                 `json:"unusable"`  // configurations of which nothing could be read
	Count    countJSON           `json:"count"`     // of what is not accepted
	Compared bool                `json:"compared"`  // with a baseline
	NotAsked []string            `json:"not_asked"` // rules that say nothing of trees
	Findings []findingJSON       `json:"findings"`
}

type countJSON struct {
	Error   int `json:"error"`
	Warning int `json:"warning"`
	Note    int `json:"note"`
}

type findingJSON struct {
	Host     filters.Untrusted   `json:"host"` // of a tree; "" for this machine
	ID       string              `json:"id"`   // the same as long as rule, file and line say the same: for baselines
	Rule     string              `json:"rule"`
	Severity string              `json:"severity"`
	File     filters.Untrusted   `json:"file"`
	Line     int                 `json:"line"`   // 0 for the whole file
	Column   int                 `json:"column"` // in characters; 0 for the whole file
	Width    int                 `json:"width"`
	Cited    filters.Untrusted   `json:"cited"`
	Message  string              `json:"message"`
	Hint     string              `json:"hint"`
	Witness  []filters.Untrusted `json:"witness,omitempty"` // a command that the filter accepts
	Filter   filters.Untrusted   `json:"filter"`            // that it is about; "" for none
	Accepted *accepted.Mark      `json:"accepted"`          // null where nobody has accepted it
	New      bool                `json:"new"`               // the baseline has not got it
}

func printJSON(w io.Writer, p printer, report lint.Report) error {
	j := reportJSON{
		Version: 1, Configs: p.configs(), NotAsked: p.notAsked(), Unusable: report.Unusable, Compared: p.compared,
		Count:    countJSON{report.Count(lint.Error), report.Count(lint.Warning), report.Count(lint.Note)},
		Findings: []findingJSON{},
	}
	for _, f := range report.Findings {
		j.Findings = append(j.Findings, findingJSON{
			hostOf(f), f.ID, f.Rule.ID, f.Rule.Severity.String(), filters.Untrusted(f.Path), f.Line, f.Column, f.Width,
			filters.Untrusted(f.Cited), filters.Prose(f.Message), hintOf(f), filters.Words(f.Witness),
			filters.Untrusted(f.Filter), f.Accepted, p.compared && !f.Known,
		})
	}
	return writeJSON(w, j)
}

func writeJSON(w io.Writer, value any) error {
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "%s\n", out)
	return err
}

// hintOf is what to do about a finding.
func hintOf(f lint.Finding) string {
	if f.Hint != "" {
		return filters.Prose(f.Hint)
	}
	return f.Rule.Help
}

// printText writes, for each finding, where it is and what, the line with a caret
// below, and what to do; the help of a rule only once.
func printText(w io.Writer, report lint.Report, ink ink) {
	helped := map[string]bool{}
	for _, f := range report.Findings {
		paint := ink.of(f.Rule.Severity)
		fmt.Fprintf(w, "%s %s %s [%s]\n", ink.bold(place(f)), paint(f.Rule.Severity.String()+":"), filters.Prose(f.Message), f.Rule.ID)
		if len(f.Hosts) > 1 {
			fmt.Fprintf(w, "   on %d hosts: %s\n", len(f.Hosts), fleet.Names(filters.Words(f.Hosts)))
		}
		if f.Column > 0 {
			number := fmt.Sprint(f.Line)
			before, marked, after := cut(f)
			fmt.Fprintf(w, " %s | %s%s%s\n", number, before, marked, after)
			fmt.Fprintf(w, " %s | %s%s\n", blank(number), blank(before), paint(strings.Repeat("^", max(len([]rune(marked)), 1))))
		}
		switch {
		case f.Accepted != nil:
			fmt.Fprintf(w, "   %s\n", f.Accepted)
		case f.Hint != "":
			fmt.Fprintf(w, "   hint: %s\n", filters.Prose(f.Hint))
		case !helped[f.Rule.ID]:
			helped[f.Rule.ID] = true
			for i, line := range wrap(f.Rule.Help, 78) {
				label := "   hint: "
				if i > 0 {
					label = "         "
				}
				fmt.Fprintln(w, label+line)
			}
		}
		fmt.Fprintln(w)
	}
	for _, text := range report.Beside {
		fmt.Fprintln(w, filters.Prose(text))
	}
	fmt.Fprintf(w, "%s, %s, %s%s\n", many(report.Count(lint.Error), "error"), many(report.Count(lint.Warning), "warning"), many(report.Count(lint.Note), "note"), beside(report))
}

// beside tells of what does not count.
func beside(report lint.Report) (text string) {
	accepted, known := 0, 0
	for _, f := range report.Findings {
		switch {
		case f.Accepted != nil:
			accepted++
		case f.Known:
			known++
		}
	}
	if accepted > 0 {
		text += fmt.Sprintf("; %d accepted", accepted)
	}
	if known > 0 {
		text += fmt.Sprintf("; %d of them in the baseline", known)
	}
	return text
}

// place is where a finding is, as an editor takes it.
func place(f lint.Finding) string {
	at := filters.Untrusted(f.Path).String()
	for _, n := range []int{f.Line, f.Column} {
		if n > 0 {
			at += fmt.Sprintf(":%d", n)
		}
	}
	return at + ":"
}

// cut divides the cited line at the place of the finding, each part fit to be
// printed.
func cut(f lint.Finding) (before, marked, after string) {
	line := []rune(strings.ReplaceAll(f.Cited, "\t", " "))
	begin := min(f.Column-1, len(line))
	end := min(begin+f.Width, len(line))
	show := func(part []rune) string { return filters.Prose(string(part)) }
	return show(line[:begin]), show(line[begin:end]), show(line[end:])
}

// blank is as wide as text.
func blank(text string) string { return strings.Repeat(" ", len([]rune(text))) }

// wrap breaks text at blanks into lines of at most width characters.
func wrap(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

func many(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
