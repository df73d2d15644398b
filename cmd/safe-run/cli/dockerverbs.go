package cli

import "github.com/safe-run/safe-run/spec/problem"

// dockerVerb answers a verb of docker's that is not there. Without it the word
// would be taken for an image.
type dockerVerb struct{ why, instead string }

const (
	noExec    = "nothing enters a container that runs"
	noVolumes = "directories of the host are what volumes are"
	noBuild   = "images are made elsewhere"
	noRest    = "a container that has ended is gone"

	seeList    = "`safe-run ps` lists what runs"
	runAgain   = "start another: safe-run IMAGE [COMMAND...]"
	fetchImage = "pull it: safe-run image pull NAME; registries are logged in to with podman login or docker login"
	packImage  = "run it as docker keeps it: safe-run docker-daemon:NAME"
)

// dockerVerbs is the table of them.
var dockerVerbs = map[string]dockerVerb{
	"attach":  {noExec, "leave it in the foreground, for example in tmux"},
	"build":   {noBuild, "build it with another tool, and " + packImage},
	"commit":  {noBuild, "mount a directory with -v for what should stay"},
	"cp":      {noExec, "mount a directory with -v"},
	"create":  {noRest, runAgain},
	"diff":    {noRest, "compare policies: safe-run profile diff A B"},
	"kill":    {"stopping is one verb", "safe-run stop -t 0 NAME"},
	"load":    {"an image gets its name when it is imported", "safe-run image import docker-archive:FILE NAME; or run the archive as it is: safe-run docker-archive:FILE"},
	"login":   {"credentials are those of podman and docker", fetchImage},
	"logs":    {"the container writes to your standard output and error", logInstead},
	"network": {"there is one bridge, and a container is on it or not", "safe-run --network bridge, or --profile web"},
	"port":    {"there is no daemon to ask", seeList},
	"push":    {"images are not published from here", "safe-run image save -o FILE NAME, and push it with the tool that made it"},
	"restart": {noRest, "safe-run stop NAME, and " + runAgain},
	"rm":      {"a container leaves nothing behind when it ends", "end it with safe-run stop NAME"},
	"search":  {"registries are asked for an image, not searched", fetchImage},
	"start":   {noRest, runAgain},
	"stats":   {"there is no daemon to ask", "see systemd-cgtop"},
	"system":  {"there is no daemon", "`safe-run gc` removes what a crash left"},
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

// imageVerbs are docker's verbs about images, and ours for each.
var imageVerbs = map[string]string{
	"images": "ls", "import": "import", "inspect": "inspect", "pull": "pull", "rmi": "rm", "save": "save", "tag": "tag",
}
