/** Connections to the server: one for each request, or kept and used again by the next. */
import { runtime } from "../../runtime/index.ts";
import type { ClientSocket, ConnectOptions } from "../../runtime/index.ts";

/** The exchange that a connection serves at the moment. */
export interface ConnectionUser {
  open(): void;
  /** The bytes are valid during the call only. */
  data(bytes: Uint8Array): void;
  closed(opened: boolean, error: Error | null): void;
}

export class Connections {
  readonly endpoint: ConnectOptions;
  private readonly keep: boolean;
  private readonly idle = new Set<Connection>();

  constructor(endpoint: ConnectOptions, keep: boolean) {
    this.endpoint = endpoint;
    this.keep = keep;
  }

  /** A kept connection, which is open, or null. */
  kept(user: ConnectionUser): Connection | null {
    const [connection] = this.idle;
    if (!connection) return null;
    this.idle.delete(connection);
    connection.user = user;
    return connection;
  }

  /** A new connection; the user is told when it is open. */
  connect(user: ConnectionUser): Connection {
    return new Connection(this.endpoint, user);
  }

  /** Takes a connection back whose reply is whole. */
  release(connection: Connection): void {
    // The reply is read a little after it came; the server may have closed the connection in between.
    if (!this.keep || connection.isClosed) return connection.close();
    this.idle.add(connection);
    connection.user = {
      open: () => {},
      data: () => this.drop(connection), // nobody asked
      closed: () => this.idle.delete(connection),
    };
  }

  closeIdle(): void {
    for (const connection of this.idle) this.drop(connection);
  }

  private drop(connection: Connection): void {
    this.idle.delete(connection);
    connection.close();
  }
}

export class Connection {
  user: ConnectionUser;
  isClosed = false;
  private socket: ClientSocket | null = null;
  private readonly end: () => void;

  constructor(endpoint: ConnectOptions, user: ConnectionUser) {
    this.user = user;
    this.end = runtime.connect(endpoint, {
      open: (socket) => {
        this.socket = socket;
        this.user.open();
      },
      data: (_socket, bytes) => this.user.data(bytes),
      close: (socket, error) => {
        this.isClosed = true;
        this.user.closed(socket !== null, error);
      },
    });
  }

  write(bytes: Uint8Array): void {
    this.socket?.write(bytes);
  }

  close(): void {
    this.end();
  }
}
