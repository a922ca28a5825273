package review

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"
	"go.yaml.in/yaml/v3"

	"ironwrap/integration/rig"
)

// repository is a git repository with a policy that passes all gates, of which one risk is
// accepted.
func repository(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"etc/imager/rootwrap.conf":             "[DEFAULT]\nfilters_path=/etc/imager/rootwrap.d\nexec_dirs=/usr/sbin,/usr/bin\nprivsep_contexts=none\n",
		"etc/imager/rootwrap.d/imager.filters": "[Filters]\ntee: RegExpFilter, tee, root, tee, -a, /etc/imager/hosts\\.allow\n",
		"expectations.yaml":                    "config: /etc/imager/rootwrap.conf\ngroups: {tee: [{allow: tee -a /etc/imager/hosts.allow}, {refuse: tee /etc/shadow}]}\n",
		"accepted.yaml": "accepted:\n- rules: [write, hands-out-root]\n  filter: tee\n  text: RegExpFilter, tee, root, tee, -a, /etc/imager/hosts\\.allow\n" +
			"  score: 10\n  reason: until the next release\n  who: jane\n  until: 9999-06-30\n",
	} {
		rig.Write(t, dir+"/"+name, text)
	}
	inRepository(t, dir, "git", "init", "-q", "-b", "main")
	commit(t, dir)
	return dir
}

func commit(t *testing.T, dir string) {
	t.Helper()
	inRepository(t, dir, "git", "add", "-A")
	inRepository(t, dir, "git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "x")
}

// inRepository runs a program that must succeed.
func inRepository(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	out, err := reviewer(t, dir, argv...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return strings.TrimSpace(string(out))
}

// reviewer is a program that finds the ironwrapctl that was built, and has a home of its own.
func reviewer(t *testing.T, dir string, argv ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(argv[0], argv[1:]...)
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+filepath.Dir(rig.Ctl(t))+":"+os.Getenv("PATH"), "HOME="+filepath.Dir(dir), "PRE_COMMIT_HOME="+filepath.Dir(dir)+"/pre-commit", "GIT_CONFIG_NOSYSTEM=1")
	return c
}

// widened is the change of which every gate has to speak.
func widened(t *testing.T, dir string) {
	t.Helper()
	rig.Write(t, dir+"/etc/imager/rootwrap.d/imager.filters", "[Filters]\ntee: RegExpFilter, tee, root, tee, -a, /etc/imager/.*\n")
}

// TestPreCommit runs the hooks with pre-commit itself, with the configuration that
// docs/review.md shows.
func TestPreCommit(t *testing.T) {
	rig.Need(t, "pre-commit", "/usr/bin/pre-commit")
	hooks := t.TempDir() + "/hooks"
	rig.Write(t, hooks+"/.pre-commit-hooks.yaml", rig.ReadFile(t, rig.Root+"/.pre-commit-hooks.yaml"))
	inRepository(t, hooks, "git", "init", "-q", "-b", "main")
	commit(t, hooks)

	dir := repository(t)
	_, shown, ok := strings.Cut(rig.ReadFile(t, rig.Root+"/docs/review.md"), "`.pre-commit-config.yaml`:\n\n")
	if !ok {
		t.Fatal("docs/review.md shows no configuration")
	}
	config, _, _ := strings.Cut(shown, "\n\n")
	config = regexp.MustCompile(`(?m)^    `).ReplaceAllString(config, "")
	config = strings.NewReplacer("https://example.org/ironwrap", hooks, "v1.0", inRepository(t, hooks, "git", "rev-parse", "HEAD")).Replace(config)
	rig.Write(t, dir+"/.pre-commit-config.yaml", config+"\n")
	commit(t, dir)

	if out, err := reviewer(t, dir, "pre-commit", "run", "--all-files").CombinedOutput(); err != nil || strings.Count(string(out), "Passed") != 3 {
		t.Errorf("%v\n%s", err, out)
	}
	widened(t, dir)
	out, err := reviewer(t, dir, "pre-commit", "run", "--all-files").CombinedOutput()
	if err == nil || strings.Count(string(out), "Failed") != 2 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, want := range []string{"root: there are 1, and may be 0", "[hands-out-root]", "[accepted-unused]"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if out, err := reviewer(t, dir, "pre-commit", "validate-manifest", rig.Root+"/.pre-commit-hooks.yaml").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// workflow is what is read of the example.
type workflow struct {
	Jobs map[string]struct {
		Steps []struct{ Name, Run, Uses string }
	}
}

// TestWorkflow runs the commands of docs/examples/policy.yml as a runner does, on a change
// that passes and on one that does not. What it uploads is SARIF 2.1.0, by its schema.
func TestWorkflow(t *testing.T) {
	var w workflow
	if err := yaml.Unmarshal([]byte(rig.ReadFile(t, rig.Root+"/docs/examples/policy.yml")), &w); err != nil {
		t.Fatal(err)
	}
	dir := repository(t)
	inRepository(t, dir, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
	run := func() (failed []string) {
		temp := t.TempDir()
		for _, step := range w.Jobs["policy"].Steps {
			if step.Run == "" {
				continue
			}
			c := reviewer(t, dir, "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
			c.Env = append(c.Env, "RUNNER_TEMP="+temp, "GITHUB_STEP_SUMMARY="+temp+"/summary", "GITHUB_BASE_REF=main")
			if out, err := c.CombinedOutput(); err != nil {
				failed = append(failed, step.Name)
				t.Logf("%s: %v\n%s", step.Name, err, out)
			}
		}
		report, err := sarif.Open(dir + "/policy.sarif")
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Validate(); err != nil {
			t.Errorf("not SARIF 2.1.0: %v", err)
		}
		for _, r := range report.Runs[0].Results {
			if uri := *r.Locations[0].PhysicalLocation.ArtifactLocation.URI; !strings.HasPrefix(uri, "etc/imager/") && uri != "accepted.yaml" {
				t.Errorf("a finding is shown beside %s, which is not in the repository", uri)
			}
			if (len(r.Suppressions) == 1) != (len(failed) == 0) {
				t.Errorf("%s: suppressions %v", *r.Message.Text, r.Suppressions)
			}
		}
		inRepository(t, dir, "git", "worktree", "prune")
		return failed
	}
	if failed := run(); len(failed) > 0 {
		t.Errorf("without a change %q fail", failed)
	}
	widened(t, dir)
	if failed := run(); len(failed) != 3 {
		t.Errorf("of a change that is wider %q fail", failed)
	}
}
