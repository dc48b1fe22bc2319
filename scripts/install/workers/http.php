#!/usr/bin/env php
<?php
// Answers HTTP requests: a worker for socket-burst-dampener --persistent.
// It needs PHP's extension "sockets".
//
//     socket-burst-dampener --persistent --processes 8 --timeout 30 8080 ./http.php

function serve(Socket $client, array $variables): void
{
    // Read the whole head: closing a connection with unread input resets it, and the client could
    // lose the answer.
    $head = '';
    while (!str_contains($head, "\r\n\r\n") && strlen($head) < 65536
        && ($more = @socket_read($client, 8192)) !== false && $more !== '') {
        $head .= $more;
    }
    $address = $variables['REMOTE_ADDR'] ?? 'you';
    $body = "Hello $address, you asked: " . strtok($head, "\r\n");
    @socket_write($client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n$body\n");
}

$dispatcher = socket_import_stream(STDIN);
$space = socket_cmsg_space(SOL_SOCKET, SCM_RIGHTS, 1); // for one descriptor
while (true) {
    $message = ['buffer_size' => 4096, 'controllen' => $space];
    $length = @socket_recvmsg($dispatcher, $message); // fails if the dispatcher has died
    if (!$length || empty($message['control'])) {
        break; // end of file: the daemon needs this worker no longer
    }
    $variables = [];
    foreach (array_filter(explode("\0", $message['iov'][0])) as $entry) {
        [$name, $value] = explode('=', $entry, 2);
        $variables[$name] = $value;
    }
    $client = $message['control'][0]['data'][0];
    serve($client, $variables);
    socket_close($client);
    if (@socket_write($dispatcher, "\0") === false) { // ready for the next client
        break; // the dispatcher has died; the client was served
    }
}
