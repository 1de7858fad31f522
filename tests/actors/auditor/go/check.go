// Command check verifies checkpoints and proofs of the hub with Go's own packages note and tlog.
//
// It reads one JSON document and writes "accepted", or the first thing that is refused.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type inclusion struct {
	Index int64
	Entry []byte
	Proof []tlog.Hash
}

type consistency struct {
	Old   string
	Proof []tlog.Hash
}

type document struct {
	Key         string
	Note        string
	Inclusion   []inclusion
	Consistency []consistency
}

// head opens a signed note and reads size and root out of its second and third lines.
func head(text string, key note.Verifier) (size int64, root tlog.Hash, err error) {
	opened, err := note.Open([]byte(text), note.VerifierList(key))
	if err != nil {
		return 0, root, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() {
		return 0, root, fmt.Errorf("not origin, size and root: %q", opened.Text)
	}
	if _, err = fmt.Sscanf(lines[1], "%d", &size); err != nil {
		return 0, root, err
	}
	root, err = tlog.ParseHash(lines[2])
	return size, root, err
}

func check(given document) error {
	key, err := note.NewVerifier(given.Key)
	if err != nil {
		return err
	}
	size, root, err := head(given.Note, key)
	if err != nil {
		return err
	}
	for _, one := range given.Inclusion {
		leaf := tlog.RecordHash(one.Entry)
		if err := tlog.CheckRecord(tlog.RecordProof(one.Proof), size, root, one.Index, leaf); err != nil {
			return fmt.Errorf("entry %d: %w", one.Index, err)
		}
	}
	for _, one := range given.Consistency {
		old, was, err := head(one.Old, key)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(tlog.TreeProof(one.Proof), size, root, old, was); err != nil {
			return fmt.Errorf("tree of %d: %w", old, err)
		}
	}
	return nil
}

func main() {
	var given []document
	if err := json.NewDecoder(os.Stdin).Decode(&given); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	for _, one := range given {
		if err := check(one); err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}
