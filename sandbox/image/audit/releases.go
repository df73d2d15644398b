package audit

// tableDate is when the table below was put together. A release that came out
// later is not known, and dates that were moved later are not seen.
const tableDate = "2026-11-21"

// releases are the ends of security updates, by distribution. Ubuntu Pro, the
// extended support of Red Hat and what else is paid for is not counted.
var releases = []release{
	// https://wiki.debian.org/DebianReleases, https://wiki.debian.org/LTS and
	// distro-info-data.
	{"debian", "8", "2018-06-17", "2020-06-30"},
	{"debian", "9", "2020-07-18", "2022-06-30"},
	{"debian", "10", "2022-09-10", "2024-06-30"},
	{"debian", "11", "2024-08-14", "2026-08-31"},
	{"debian", "12", "2026-07-11", "2028-06-30"},
	{"debian", "13", "2028-08-09", "2030-06-30"},

	// https://ubuntu.com/about/release-cycle, https://wiki.ubuntu.com/Releases
	// and distro-info-data.
	{"ubuntu", "12.04", "2017-04-28", ""},
	{"ubuntu", "14.04", "2019-04-25", ""},
	{"ubuntu", "16.04", "2021-04-30", ""},
	{"ubuntu", "18.04", "2023-05-31", ""},
	{"ubuntu", "20.04", "2025-05-29", ""},
	{"ubuntu", "20.10", "2021-07-22", ""},
	{"ubuntu", "21.04", "2022-01-20", ""},
	{"ubuntu", "21.10", "2022-07-14", ""},
	{"ubuntu", "22.04", "2027-06-01", ""},
	{"ubuntu", "22.10", "2023-07-20", ""},
	{"ubuntu", "23.04", "2024-01-25", ""},
	{"ubuntu", "23.10", "2024-07-11", ""},
	{"ubuntu", "24.04", "2029-05-31", ""},
	{"ubuntu", "24.10", "2025-07-10", ""},
	{"ubuntu", "25.04", "2026-01-15", ""},
	{"ubuntu", "25.10", "2026-07-09", ""},
	{"ubuntu", "26.04", "2031-05-29", ""},

	// https://alpinelinux.org/releases/
	{"alpine", "3.3", "2017-11-01", ""},
	{"alpine", "3.4", "2018-05-01", ""},
	{"alpine", "3.5", "2018-11-01", ""},
	{"alpine", "3.6", "2019-05-01", ""},
	{"alpine", "3.7", "2019-11-01", ""},
	{"alpine", "3.8", "2020-05-01", ""},
	{"alpine", "3.9", "2020-11-01", ""},
	{"alpine", "3.10", "2021-05-01", ""},
	{"alpine", "3.11", "2021-11-01", ""},
	{"alpine", "3.12", "2022-05-01", ""},
	{"alpine", "3.13", "2022-11-01", ""},
	{"alpine", "3.14", "2023-05-01", ""},
	{"alpine", "3.15", "2023-11-01", ""},
	{"alpine", "3.16", "2024-05-23", ""},
	{"alpine", "3.17", "2024-11-22", ""},
	{"alpine", "3.18", "2025-05-09", ""},
	{"alpine", "3.19", "2025-11-01", ""},
	{"alpine", "3.20", "2026-04-01", ""},
	{"alpine", "3.21", "2026-11-01", ""},
	{"alpine", "3.22", "2027-05-01", ""},
	{"alpine", "3.23", "2027-11-01", ""},

	// https://access.redhat.com/support/policy/updates/errata
	{"rhel", "6", "2020-11-30", ""},
	{"rhel", "7", "2024-06-30", ""},
	{"rhel", "8", "2029-05-31", ""},
	{"rhel", "9", "2032-05-31", ""},
	{"rhel", "10", "2035-05-31", ""},

	// https://www.centos.org/cl-vs-cs/ : what VERSION_ID calls 8 is CentOS
	// Linux 8 and CentOS Stream 8, of which the later ended in 2024.
	{"centos", "6", "2020-11-30", ""},
	{"centos", "7", "2024-06-30", ""},
	{"centos", "8", "2024-05-31", ""},
	{"centos", "9", "2027-05-31", ""},

	// https://wiki.rockylinux.org/rocky/version/
	{"rocky", "8", "2029-05-31", ""},
	{"rocky", "9", "2032-05-31", ""},

	// https://wiki.almalinux.org/release-notes/
	{"almalinux", "8", "2029-03-01", ""},
	{"almalinux", "9", "2032-05-31", ""},
	{"almalinux", "10", "2035-05-31", ""},

	// https://fedorapeople.org/groups/schedule/
	{"fedora", "38", "2024-05-21", ""},
	{"fedora", "39", "2024-11-26", ""},
	{"fedora", "40", "2025-05-13", ""},
	{"fedora", "41", "2025-12-15", ""},
	{"fedora", "42", "2026-05-13", ""},
	{"fedora", "43", "2026-12-09", ""},
}
