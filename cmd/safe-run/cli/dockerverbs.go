package cli

import "github.com/safe-run/safe-run/spec/problem"

// dockerVerb answers a verb of docker's that is not there. Without it the word
// would be taken for an image.
type dockerVerb struct{ why, instead string }

const (
	noBuild = "images are made elsewhere"

	seeList    = "`safe-run ps` lists what runs"
	fetchImage = "pull it: safe-run image pull NAME; registries are logged in to with podman login or docker login"
	packImage  = "run it as docker keeps it: safe-run docker-daemon:NAME"
)

// dockerVerbs is the table of them.
var dockerVerbs = map[string]dockerVerb{
	"build":   {noBuild, "build it with another tool, and " + packImage},
	"commit":  {noBuild, "mount a volume with -v NAME:/path for what should stay"},
	"load":    {"an image gets its name when it is imported", "safe-run image import docker-archive:FILE NAME; or run the archive as it is: safe-run docker-archive:FILE"},
	"login":   {"credentials are those of podman and docker", fetchImage},
	"network": {"there is one bridge, and a container is on it or not", "safe-run --network bridge, or --profile web"},
	"push":    {"images are not published from here", "safe-run image save -o FILE NAME, and push it with the tool that made it"},
	"search":  {"registries are asked for an image, not searched", fetchImage},
	"system":  {"there is no daemon", "`safe-run gc` removes what a crash left"},
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
	"images": "ls", "import": "import", "pull": "pull", "rmi": "rm", "save": "save", "tag": "tag",
}
