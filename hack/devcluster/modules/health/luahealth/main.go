// Luahealth prints the health of objects, as a health check for Argo CD decides it.
//
// Its argument is the file of the check. It reads a JSON array of objects from standard input, and
// writes a JSON array with an entry for each: the status and the message. The check runs in the
// interpreter and with the libraries and the time limit that Argo CD gives it.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
)

const timeLimit = time.Second

// Argo CD opens no other libraries unless its administrator asks for them, and of "os" a safe part.
var libraries = []struct {
	name string
	open lua.LGFunction
}{
	{lua.LoadLibName, lua.OpenPackage},
	{lua.BaseLibName, lua.OpenBase},
	{lua.TabLibName, lua.OpenTable},
}

// Argo CD takes any other status for "Unknown".
var statuses = map[string]bool{
	"Healthy": true, "Progressing": true, "Degraded": true, "Suspended": true, "Missing": true,
}

type entry struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: luahealth FILE < objects.json")
	}
	script, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		log.Fatal("standard input must be a JSON array of objects: ", err)
	}
	entries := []entry{}
	for number, object := range objects {
		found, err := health(string(script), object)
		if err != nil {
			log.Fatalf("object %d: %v", number, err)
		}
		entries = append(entries, found)
	}
	if err := json.NewEncoder(os.Stdout).Encode(entries); err != nil {
		log.Fatal(err)
	}
}

func health(script string, object map[string]any) (entry, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range libraries {
		call := lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return entry{}, err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	state.SetContext(ctx)
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return entry{}, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return entry{}, fmt.Errorf("the check returned a %s, not a table", state.Get(-1).Type())
	}
	found := entry{
		lua.LVAsString(table.RawGetString("status")), lua.LVAsString(table.RawGetString("message")),
	}
	if !statuses[found.Status] {
		return entry{}, fmt.Errorf("%q is not a status of Argo CD", found.Status)
	}
	return found, nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.CreateTable(len(from), 0)
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for key, item := range from {
			table.RawSetH(lua.LString(key), value(state, item))
		}
		return table
	}
	return lua.LNil
}
