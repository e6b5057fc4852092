// Text of the small executables that stand for the PJM commands. They carry every call to the simulator over a
// Unix socket, so they serve equally in its own shells and behind any other SSH server of the same host.

/** Messages of the executables; one JSON value a line. */
export interface ClientMessage {
  readonly call?: {
    readonly program: string;
    readonly arguments: readonly string[];
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly isTerminal: boolean;
  };
  /** All of standard input, after `wantsInput`. */
  readonly input?: string;
  /** After `run`: what the program wrote to descriptor 3, and its exit status. */
  readonly ended?: { readonly report: string; readonly code: number | null };
}

/** Messages to the executables; one JSON value a line. */
export interface ServerMessage {
  readonly out?: string;
  readonly err?: string;
  readonly wantsInput?: true;
  /** Run this on the caller's own terminal. */
  readonly run?: {
    readonly command: readonly string[];
    readonly folder: string;
    readonly environment: Readonly<Record<string, string>>;
  };
  readonly exit?: number;
}

/**
 * The program behind all executables. Finds `socket_path` and `codes` declared before it. In Python, as a Node takes
 * several times as long to start, and each look at the queue is a start.
 */
const clientProgram = `
program, words = sys.argv[1], sys.argv[2:]


def write(descriptor, text):
    data = memoryview(text.encode("utf-8", "replace"))
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BlockingIOError:
            select.select([], [descriptor], [])
        except BrokenPipeError:
            sys.exit(141)


def current_folder():
    # The environment names the folder as the user wrote it, links unresolved, as a shell command sees it.
    named = os.environ.get("PWD", "")
    try:
        if named.startswith("/") and os.path.samefile(named, "."):
            return named
    except OSError:
        pass
    return os.getcwd()


def run(job):
    """Runs a program on this terminal; returns what it wrote to descriptor 3 and its exit status."""
    signal.signal(signal.SIGINT, lambda *_: None)
    report, other_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(other_end, 3)
            os.set_inheritable(3, True)
            os.chdir(job["folder"])
            os.execvpe(job["command"][0], job["command"], job["environment"])
        except OSError as error:
            write(2, f"{error}\\n")
        os._exit(127)
    os.close(other_end)
    with open(report, encoding="utf-8") as lines:
        text = lines.read()
    status = os.waitpid(child, 0)[1]
    return {"report": text, "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None}


def main():
    server = socket.socket(socket.AF_UNIX)
    send = lambda message: server.sendall(json.dumps(message).encode() + b"\\n")
    server.connect(socket_path)
    call = {"program": program, "arguments": words, "folder": current_folder()}
    send({"call": {**call, "environment": dict(os.environ), "isTerminal": os.isatty(0)}})
    for line in server.makefile("rb"):
        message = json.loads(line)
        write(1, message.get("out", ""))
        write(2, message.get("err", ""))
        if "wantsInput" in message:
            with open(0, "rb", closefd=False) as given:
                send({"input": given.read().decode("utf-8", "replace")})
        if "run" in message:
            send({"ended": run(message["run"])})
        if "exit" in message:
            sys.exit(message["exit"])
    sys.exit(1)


signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    main()
except OSError:
    code = codes.get(program, 90)
    write(2, f"[ERR.] PJM {code:04} {program} PJM daemon is not present.\\n")
    sys.exit(1)
`;

/** The program with the socket and the error codes of "daemon is not present" for each command. */
export function renderClient(
  socketPath: string,
  daemonErrorCodes: Readonly<Record<string, number>>,
): string {
  return [
    '# Client of the simulated PJM; written by the simulator (src/simulator/commandClient.ts).',
    'import json, os, select, signal, socket, sys',
    `socket_path = ${JSON.stringify(socketPath)}`,
    `codes = ${JSON.stringify(daemonErrorCodes)}`,
    clientProgram,
  ].join('\n');
}

/** The executable of one command. */
export function renderExecutable(python: string, clientPath: string, program: string): string {
  const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const words = [quote(python), '-I -S -X utf8', quote(clientPath), program].join(' ');
  return `#!/bin/bash\nexec ${words} "$@"\n`;
}
