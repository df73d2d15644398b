package cli

import "github.com/safe-run/safe-run/spec/problem"

// dockerVerb answers a verb of docker's that is not there. Without it the word
// would be taken for an image.
type dockerVerb struct{ why, instead string }

const (
	noStore   = "images are files; nothing keeps a list of them"
	noExec    = "nothing enters a container that runs"
	noVolumes = "directories of the host are what volumes are"
	noBuild   = "images are made elsewhere"
	noRest    = "a container that has ended is gone"

	seeList    = "`safe-run ps` lists what runs"
	runAgain   = "start another: safe-run IMAGE [COMMAND...]"
	fetchImage = "fetch it with another tool: skopeo copy docker://NAME oci:./DIR:latest, then safe-run oci:./DIR"
	packImage  = "make it an archive: docker save -o app.tar NAME, then safe-run docker-archive:app.tar"
)

// dockerVerbs is the table of them.
var dockerVerbs = map[string]dockerVerb{
	"attach":  {noExec, "leave it in the foreground, for example in tmux"},
	"build":   {noBuild, "build it with another tool, and " + packImage},
	"commit":  {noBuild, "mount a directory with -v for what should stay"},
	"cp":      {noExec, "mount a directory with -v"},
	"create":  {noRest, runAgain},
	"diff":    {noRest, "compare policies: safe-run profile diff A B"},
	"exec":    {noExec, "run the tool beside it on the same image: safe-run -it --profile shell IMAGE sh"},
	"image":   {noStore, "name the file: safe-run oci:DIR, docker-archive:FILE or dir:ROOTFS"},
	"images":  {noStore, "name the file: safe-run oci:DIR, docker-archive:FILE or dir:ROOTFS"},
	"inspect": {"there is no daemon to ask", "see safe-run ps --format json, and safe-run explain IMAGE"},
	"kill":    {"stopping is one verb", "safe-run stop -t 0 NAME"},
	"load":    {noStore, "run the archive as it is: safe-run docker-archive:FILE"},
	"login":   {"images come from files, not from a registry", fetchImage},
	"logs":    {"the container writes to your standard output and error", logInstead},
	"network": {"there is one bridge, and a container is on it or not", "safe-run --network bridge, or --profile web"},
	"port":    {"there is no daemon to ask", seeList},
	"pull":    {"images come from files, not from a registry", fetchImage},
	"push":    {"images come from files, not from a registry", "push it with the tool that made it"},
	"restart": {noRest, "safe-run stop NAME, and " + runAgain},
	"rm":      {"a container leaves nothing behind when it ends", "end it with safe-run stop NAME"},
	"rmi":     {noStore, "remove the file"},
	"save":    {noStore, "copy the file; " + packImage},
	"search":  {"images come from files, not from a registry", fetchImage},
	"start":   {noRest, runAgain},
	"stats":   {"there is no daemon to ask", "see systemd-cgtop"},
	"system":  {"there is no daemon", "`safe-run gc` removes what a crash left"},
	"tag":     {noStore, "rename the file"},
	"top":     {noExec, "see ps on the host"},
	"volume":  {noVolumes, "mount one with -v ./data:/data"},
	"wait":    {"safe-run itself waits, and its exit code is the container's", "put & after it, and wait for it in the shell"},
}

// noDockerVerb explains a verb of docker's, or gives nil.
func noDockerVerb(word string) error {
	v, ok := dockerVerbs[word]
	if !ok {
		return nil
	}
	return problem.New(v.instead, "there is no verb %q: %s", word, v.why)
}
