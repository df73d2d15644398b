package audit

// Rule is a check that findings are instances of.
type Rule struct {
	ID       string
	Title    string
	Severity Severity // of most of its findings
	CIS      string   // section 4 of the CIS Docker Benchmark 1.6
	Mend     string
}

// Rules are all the checks, by id. Ids stay what they are.
var Rules = []Rule{
	{
		ID: "SR-IMG-001", Title: "runs as root", Severity: High, CIS: "4.1",
		Mend: "add a user in the Dockerfile and name it by number: USER 10001:10001; or run it with --user 10001:10001",
	},
	{
		ID: "SR-IMG-002", Title: "its user is not known", Severity: Low, CIS: "4.1",
		Mend: "add the user to the image, or name it by number: USER 10001:10001",
	},
	{
		ID: "SR-IMG-003", Title: "reference can change", Severity: Low, CIS: "4.2",
		Mend: "name the image by its digest: NAME@sha256:...",
	},
	{
		ID: "SR-IMG-004", Title: "release gets no security updates", Severity: High, CIS: "4.4",
		Mend: "build on a release that is supported, and build again when it changes",
	},
	{
		ID: "SR-IMG-005", Title: "release is not known", Severity: Info, CIS: "4.4",
		Mend: "see with its publisher until when it gets security updates",
	},
	{
		ID: "SR-IMG-006", Title: "no HEALTHCHECK", Severity: Info, CIS: "4.6",
		Mend: "add a HEALTHCHECK to the Dockerfile, or let what runs the container probe it",
	},
	{
		ID: "SR-IMG-010", Title: "setuid or setgid program", Severity: Medium, CIS: "4.8",
		Mend: "remove the bits in the layer that has the file: RUN chmod a-s FILE; or remove the file",
	},
	{
		ID: "SR-IMG-011", Title: "program with capabilities", Severity: Medium, CIS: "4.8",
		Mend: "remove them in the layer that has the file: RUN setcap -r FILE; or remove the file",
	},
	{
		ID: "SR-IMG-020", Title: "secret in the environment", Severity: High, CIS: "4.10",
		Mend: "change the secret, it is known to whoever has the image; give it at run time, as a file",
	},
	{
		ID: "SR-IMG-021", Title: "secret in the history", Severity: High, CIS: "4.10",
		Mend: "change the secret, it is known to whoever has the image; give it to the build with RUN --mount=type=secret",
	},
	{
		ID: "SR-IMG-022", Title: "secret in a file", Severity: Critical, CIS: "4.10",
		Mend: "change the secret, it is known to whoever has the image; build without it, and give it at run time",
	},
	{
		ID: "SR-IMG-023", Title: "removed secret is still in a layer", Severity: Critical, CIS: "4.10",
		Mend: "change the secret, it is known to whoever has the image; removing a file leaves it in the layer below: use RUN --mount=type=secret",
	},
	{
		ID: "SR-IMG-024", Title: "account with a password", Severity: Medium, CIS: "4.10",
		Mend: "lock the account: RUN passwd -l NAME",
	},
	{
		ID: "SR-IMG-030", Title: "everybody may write a file", Severity: Medium,
		Mend: "RUN chmod o-w FILE, in the layer that has it; for a shared directory chmod 1777",
	},
	{
		ID: "SR-IMG-031", Title: "program can be changed by the user that runs it", Severity: Medium,
		Mend: "leave programs to root: COPY without --chown, and chmod go-w",
	},
	{
		ID: "SR-IMG-032", Title: "environment steers which code is loaded", Severity: Medium,
		Mend: "take the variable out of the image, or have it name directories that only root may write",
	},
	{
		ID: "SR-IMG-040", Title: "package manager in the image", Severity: Low, CIS: "4.3",
		Mend: "copy what is needed into a small image in a second stage: FROM scratch, or a base without tools",
	},
	{
		ID: "SR-IMG-041", Title: "shell in the image", Severity: Info, CIS: "4.3",
		Mend: "copy what is needed into a small image in a second stage: FROM scratch, or a base without tools",
	},
	{
		ID: "SR-IMG-042", Title: "SSH server in the image", Severity: Medium, CIS: "4.3",
		Mend: "remove it; look into a container from the host",
	},
	{
		ID: "SR-IMG-043", Title: "exposes the port of SSH", Severity: Low,
		Mend: "take EXPOSE 22 out of the Dockerfile; look into a container from the host",
	},
	{
		ID: "SR-IMG-050", Title: "ADD fetches from the network", Severity: Medium, CIS: "4.9",
		Mend: "fetch it in a RUN that checks its digest, or use ADD --checksum=sha256:...",
	},
	{
		ID: "SR-IMG-051", Title: "ADD where COPY would do", Severity: Info, CIS: "4.9",
		Mend: "use COPY: ADD unpacks archives and fetches URLs besides",
	},
	{
		ID: "SR-IMG-052", Title: "package list updated alone", Severity: Low, CIS: "4.7",
		Mend: "update and install in one RUN: a cached update installs old packages later",
	},
	{
		ID: "SR-IMG-060", Title: "VOLUME over a sensitive path", Severity: Medium,
		Mend: "declare volumes for data only, below a directory of their own",
	},
	{
		ID: "SR-IMG-090", Title: "not everything was searched for secrets", Severity: Info, CIS: "4.10",
		Mend: "search the rest with a tool made for it",
	},
}

func ruleOf(id string) Rule {
	for _, rule := range Rules {
		if rule.ID == id {
			return rule
		}
	}
	return Rule{ID: id, Title: id}
}
