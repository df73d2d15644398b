package audit

import (
	"fmt"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/safe-run/safe-run/sandbox/image/imagetest"
)

// The secrets of the tests are put together here, so that scanners do not take
// this file for a leak.
const body = "abcDEF0123456789ghijklmnOPQRSTUVwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab"

func githubToken() string { return "gh" + "p_" + body[:36] }

func pem(kind string) string {
	return "-----BEGIN " + kind + "PRIVATE " + "KEY-----\n" + body[:64] + "\n" + body[:64] + "\n-----END " + kind + "PRIVATE " + "KEY-----\n"
}

func TestSecretFiles(t *testing.T) {
	login := `{"auths":{"registry.example":{"auth":"YWJjOmRlZg=="}}}`
	tests := []struct{ path, content, want string }{
		{"k", pem("RSA "), "critical"},
		{"root/.ssh/id_ed25519", pem("OPENSSH "), "critical"},
		{"sa.json", `{"private_key": "` + strings.ReplaceAll(pem(""), "\n", `\n`) + `"}`, "critical"},
		{"k", strings.Replace(pem("RSA "), "\n", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n", 1), "medium"},
		{"k", pem("ENCRYPTED "), "medium"},
		{"usr/lib/python3/test/certdata/keycert.pem", pem(""), "low"},
		{"c.pem", strings.ReplaceAll(pem(""), "PRIVATE KEY", "CERTIFICATE"), ""},
		{"parser.go", `const start = "-----BEGIN RSA PRIVATE ` + `KEY-----"`, ""},
		{"a", "id = AK" + "IAQ2W3E4R5T6Y7U2I3\n", "high"},
		{"a", "id = AK" + "IAIOSFODNN7EXAMPLE\n", ""},
		{"a", githubToken(), "critical"},
		{"a", "gh" + "p_" + strings.Repeat("x", 36), ""},
		{"a", "gl" + "pat-" + body[:20], "critical"},
		{"a", "xo" + "xb-123456789012-" + body[:24], "critical"},
		{"a", "np" + "m_" + body[:36], "critical"},
		{"a", "py" + "pi-AgEIcHlwaS5vcmc" + body[:60], "critical"},
		{"a", "git" + "hub_pat_" + body[:62], "critical"},
		{"a", "dc" + "kr_pat_" + body[:27], "critical"},
		{"a", "sk" + "_live_" + body[:24], "critical"},
		{"a", "sk" + "_test_" + body[:24], ""},
		{"a", "AI" + "za" + body[:35], "medium"},
		{"a", "AS" + "IAQ2W3E4R5T6Y7U2I3", "medium"},
		{"a", "https://hooks.slack" + ".com/services/T0123456/B0123456/" + body[:24], "high"},
		{"a", "through the gh" + "p_night, glp" + "at-, npm" + "_config_registry, AK" + "IA", ""},
		{"a", strings.Replace(pem(""), "PRIVATE KEY-----", "PGP PRIVATE KEY BLOCK-----\nVersion: 1\n", 1), "high"},
		{"root/.my.cnf", "[client]\npassword = hunter2\n", "high"},
		{"root/.my.cnf", "[client]\nuser = me\n", ""},
		{"root/.pgpass", "db.example:5432:app:me:hunter2\n", "high"},
		{"root/.pgpass", "# host:port:db:user:password\n", ""},
		{"root/.netrc", "machine a.example login me password hunter2", "high"},
		{"root/.netrc", "machine a.example login me password $PW", ""},
		{"root/.docker/config.json", login, "critical"},
		{"root/.dockercfg", `{"registry.example":{"auth":"YWJjOmRlZg=="}}`, "critical"},
		{"root/.docker/config.json", `{"auths":{"registry.example":{}},"credsStore":"desktop"}`, ""},
		{"app/config.json", login, ""},
		{"root/.aws/credentials", "[default]\naws_secret_access_key = " + body[:40], "critical"},
		{"root/.aws/credentials", "[default]\naws_secret_access_key =\n", ""},
		{"root/.npmrc", "//registry.example/:_authToken=" + body[:30], "critical"},
		{"root/.npmrc", "//registry.example/:_authToken=${NPM_TOKEN}\nregistry=https://registry.example/", ""},
		{"root/.pypirc", "[pypi]\nusername = me\npassword = hunter2", "critical"},
		{"root/.pypirc", "[pypi]\nusername = me\n", ""},
		{"root/.kube/config", "users:\n- name: me\n  user:\n    client-key-data: " + body[:40] + "==\n", "critical"},
		{"root/.kube/config", "users:\n- name: me\n  user:\n    exec: {}\n    tokenFile: /t\n", ""},
		{"root/.git-credentials", "https://me:hunter2@git.example\n", "critical"},
		{"app/.env", "DEBUG=1\nexport DB_PASSWORD=hunter2\n", "high"},
		{"app/.env", "DEBUG=1\nDB_PASSWORD=\n# API_KEY=abc\n", ""},
		{"app/.env.example", "DB_PASSWORD=hunter2\n", ""},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			var want []string
			if test.want != "" {
				want = []string{"SR-IMG-022 " + test.want + " /" + test.path + " (layer 1)"}
			}
			found := expect(t, image(v1.Config{}, imagetest.Files{test.path: {Content: test.content}}), want...)
			for _, secret := range []string{"hunter2", body[:20], "YWJj", "Q2W3E4R5T6"} {
				if strings.Contains(fmt.Sprint(found), secret) {
					t.Errorf("the secret is in %v", found)
				}
			}
		})
	}
}

func TestRemovedSecret(t *testing.T) {
	lower := imagetest.Files{"app/key": {Content: pem("")}, "app/b/key": {Content: pem("")}, "app/c": {Content: pem("")}}
	in := image(v1.Config{}, imagetest.Files{"a": {}}, lower,
		imagetest.Files{"app/.wh.key": {}, "app/b/.wh..wh..opq": {}, "app/c": {Content: "nothing"}})
	in.Config.History = []v1.History{
		{CreatedBy: "COPY a /"}, {CreatedBy: "ENV A=b", EmptyLayer: true},
		{CreatedBy: "COPY API_TOKEN=hunter22 . /app"}, {CreatedBy: "RUN rm /app/key"},
	}
	found := expect(t, in,
		"SR-IMG-023 critical /app/key (layer 2)", "SR-IMG-023 critical /app/b/key (layer 2)", "SR-IMG-023 critical /app/c (layer 2)",
		"SR-IMG-021 high history[2] (layer 2)")
	for _, f := range found {
		if f.Where.History != "COPY API_TOKEN=*** . /app" {
			t.Errorf("%s was made by %q", f.Where, f.Where.History)
		}
	}
}

func TestPasswords(t *testing.T) {
	for content, want := range map[string]string{
		"root::0:0:::::\n":                        "SR-IMG-024 high /etc/shadow (layer 1)",
		"root:*:0:0:::::\nme:$6$ab$cdef:0::::\n":  "SR-IMG-024 medium /etc/shadow (layer 1)",
		"root:*:0::::\nme:!$6$ab$c:0::::\nx:!:\n": "",
		"root:!!:\n\n:::\n":                       "",
	} {
		var all []string
		if want != "" {
			all = []string{want}
		}
		expect(t, image(v1.Config{}, imagetest.Files{"etc/shadow": {Content: content, Mode: 0o600}}), all...)
	}
}
