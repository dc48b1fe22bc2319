#!/usr/bin/env ruby
# Sends each client a line of a file (RFC 865): a worker for socket-burst-dampener --persistent.
#
#     socket-burst-dampener --persistent --processes 8 --timeout 30 qotd ./quote.rb FILE
require 'socket'

quotes = File.readlines(ARGV.fetch(0), chomp: true) # once, not once per client

dispatcher = Socket.for_fd(0)
loop do
  begin
    block, _, _, control = dispatcher.recvmsg(4096, scm_rights: true)
  rescue Errno::ECONNRESET
    break # the dispatcher has died
  end
  break unless control # end of file: the daemon needs this worker no longer

  variables = block.split("\0").to_h { |entry| entry.split('=', 2) }
  client = control.unix_rights.first
  begin
    client.write("#{quotes.sample}\r\nYou waited #{variables['DAMPENER_WAIT_MS']} ms.\r\n")
    client.close
  rescue SystemCallError
    client.close # the client has left; the next one may stay
  end
  begin
    dispatcher.send("\0", 0) # ready for the next client
  rescue SystemCallError
    break # the dispatcher has died; the client was served
  end
end
