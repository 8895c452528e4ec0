{{ concentration('monthly') }}
