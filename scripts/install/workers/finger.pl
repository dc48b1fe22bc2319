#!/usr/bin/perl
# Answers finger requests (RFC 1288): a worker for socket-burst-dampener --persistent.
#
#     socket-burst-dampener --persistent --processes 8 --timeout 30 finger ./finger.pl
use strict;
use warnings;
require 'syscall.ph';    # Perl lacks recvmsg(2), but can call the kernel

# Reads one message, and returns its block of variables and its descriptor; nothing at end of file.
sub receive {
    vec(my $block,   4095, 8) = 0;    # buffers that no other string shares
    vec(my $control, 63,   8) = 0;
    my $part = pack 'P L!', $block, length $block;    # struct iovec
    my $message = pack 'x[P] L x![P] P L! P L! i x![P]',    # struct msghdr
        0, $part, 1, $control, length $control, 0;
    my $length = syscall &SYS_recvmsg, 0, $message, 0;
    return if $length == 0 || ($length < 0 && $!{ECONNRESET});    # the dispatcher may have died
    die "recvmsg: $!\n" if $length < 0;
    my (undef, undef, undef, $descriptor) = unpack 'L! i i i', $control;    # struct cmsghdr, int
    return substr($block, 0, $length), $descriptor;
}

sub serve {
    my ($client, %variable) = @_;
    my $query = '';
    while ($query !~ /\n/ && length $query < 512) {
        sysread $client, $query, 512, length $query or last;
    }
    my ($login) = $query =~ /([\w.-]+)/;
    my @account = getpwnam($login // '');
    my $answer = @account ? "Login: $account[0]\r\nName: $account[6]" : 'no such user';
    syswrite $client, "$answer\r\n";
}

$SIG{PIPE} = 'IGNORE';    # a client that has left must not end the worker
open my $dispatcher, '+<&=', 0 or die "descriptor 0: $!\n";
while (my ($block, $descriptor) = receive()) {
    open my $client, '+<&=', $descriptor or die "client: $!\n";
    serve($client, map { split /=/, $_, 2 } split /\0/, $block);
    close $client;
    syswrite $dispatcher, "\0" or last;    # ready for the next client, if the dispatcher lives
}
